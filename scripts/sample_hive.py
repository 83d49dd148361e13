#!/usr/bin/env python3
"""hiveweb sample hive: a SAMPLE, not the real claude-flow.

usage: sample_hive.py TASK [options]

It behaves on the outside like `claude-flow hive-mind spawn TASK --claude --non-interactive`
(version 2.7): same kind of output, files, databases and endings, but no agent and no network.
Without options it works for 3 seconds, prints its success line and stays alive until SIGTERM.
TASK is the first argument, whatever it looks like; only a sole --help prints this text.
Unknown options are ignored. The others, each with an example:

  --seconds S          work for S seconds (default 3; 0 with --fast or --hang)   --seconds 0.5
  --lines N            print N numbered lines, spread over the time                --lines 500
  --fast               print the numbered lines without pause             --fast --lines 90000
  --long-line BYTES    print one line of BYTES letters                       --long-line 70000
  --binary             print bytes that are not UTF-8                                 --binary
  --echo-args          print argv, cwd and some environment as a JSON line         --echo-args
  --stream-json        print what claude's stream-json output looks like         --stream-json
  --linger S           stay alive S seconds after the last line (else for ever)     --linger 0
  --exit               exit with 0 at the end, with no outcome line or result           --exit
  --fail [CODE]        exit with CODE (default 1) at the end, likewise                --fail 7
  --claude-fail N      print the line for a failed claude, then linger         --claude-fail 2
  --hang               fall silent half-way and never end                               --hang
  --ignore-term        ignore SIGTERM; so does a grandchild                      --ignore-term
  --grandchild         leave a process in our group, our output open, for an hour --grandchild
  --setsid-grandchild  the same in a session of its own              --setsid-grandchild --exit
  --files N            leave N files, and one in $HIVE_MIND_OUTPUT_DIR (default 2)   --files 0
  --no-db              leave no .hive-mind, .swarm and .claude-flow                    --no-db
  --max-workers N      number of workers, 1 to 64 (default 4)                  --max-workers 8
  --queen-type TYPE    strategic, tactical or adaptive                   --queen-type tactical
  --seed N             the same random figures at each run                           --seed 42
"""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable

LABEL = "hiveweb sample hive (not the real claude-flow)"
TYPES = ("researcher", "coder", "analyst", "tester", "architect", "reviewer", "documenter")
RED, GREEN, YELLOW, CYAN, CLEAR = 31, 32, 33, 36, "\r\x1b[K"
NOT_THE_RESULT = '{"type": "result", "is_error": true}'  # of the run, but of a tool in it
PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
MEMORY = "CREATE TABLE IF NOT EXISTS memory_entries(key PRIMARY KEY, value, namespace, created_at)"
HIVE_DB = """
CREATE TABLE IF NOT EXISTS swarms(id PRIMARY KEY, name, objective, status, queen_type, created_at);
CREATE TABLE IF NOT EXISTS agents(id PRIMARY KEY, swarm_id, name, type, role, status);
CREATE TABLE IF NOT EXISTS tasks(id PRIMARY KEY, swarm_id, agent_id, description, status,
  priority INTEGER, created_at, completed_at, progress REAL);
CREATE TABLE IF NOT EXISTS collective_memory(id PRIMARY KEY, swarm_id, key, value, created_at);
CREATE TABLE IF NOT EXISTS consensus_decisions(id, swarm_id, topic, decision, created_at);
CREATE TABLE IF NOT EXISTS sessions(id PRIMARY KEY, swarm_id, status, completion_percentage);"""


class Options:
    """What the command line asked for; a negative number was not given."""

    seconds = linger = -1.0
    claude_fail = fail = seed = -1
    lines, long_line, files, max_workers, queen_type = 0, 0, 2, 4, "strategic"
    fast = hang = exit = ignore_term = grandchild = setsid_grandchild = False
    stream_json = echo_args = binary = no_db = False

    def __init__(self, words: list[str]) -> None:
        for word, following in zip(words, [*words[1:], ""], strict=False):
            name, equals, value = word.partition("=")
            value = value if equals or following.startswith("--") else following
            key = name[2:].replace("-", "_") if name.startswith("--") else ""
            default = vars(Options).get(key)
            if default is False or (name == "--fail" and not value.isdecimal()):
                value = "1"
            if isinstance(default, int | float | str) and value:
                try:
                    setattr(self, key, type(default)(value))
                except ValueError:
                    sys.exit(f"sample_hive.py: {name} needs a number, not {value!r}")
        self.seconds = self.seconds if self.seconds >= 0 else 3.0 * (not (self.fast or self.hang))


def out(data: bytes) -> None:
    """Write bytes to standard output at once."""
    while data:
        data = data[os.write(1, data) :]


def dumps(value: object) -> str:
    """Return JSON on one line."""
    import json  # here, as it takes a log generator as long as all the rest

    return json.dumps(value)


def write(path: str, text: str) -> None:
    """Write a file, and create its directories."""
    from pathlib import Path  # here for the same reason

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


class Swarm:
    """One run: what it is called, how far it is, and what it leaves behind."""

    def __init__(self, task: str, options: Options) -> None:
        self.options, self.objective = options, os.fsencode(task).decode("utf-8", "replace")
        seed = options.seed if options.seed >= 0 else int.from_bytes(os.urandom(8), "big")
        self.figure = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        self.id = f"swarm-{time.time_ns() // 1_000_000}-{self.figure:016x}"[:29]
        self.workers = [TYPES[i % 7] for i in range(min(max(options.max_workers, 1), 64))]
        self.queen, self.status, self.done = f"{self.id}-queen", "active", 0
        self.db: sqlite3.Connection | None = None
        self.began, self.failed = time.monotonic(), max(options.fail, options.claude_fail) >= 0

    def say(self, text: str, colour: int = 0) -> None:
        """Print a line, in an SGR colour if one is given."""
        lines = [f"\x1b[{colour}m{line}\x1b[39m" if colour else line for line in text.split("\n")]
        out(("\n".join(lines) + "\n").encode(errors="replace"))

    def attempt(self, action: Callable[..., object], *words: object) -> None:
        """Write something; if that cannot be done, say so and go on."""
        try:
            action(*words)
        except (OSError, sqlite3.Error, ValueError) as error:
            self.say(f"{CLEAR}⚠ Cannot write, going on without: {error}", YELLOW)

    def create_databases(self) -> None:
        """Write what the real one and its hooks write at the start."""
        for directory in ".hive-mind", ".swarm":
            write(f"{directory}/config.json", dumps({"sample": LABEL}))
            memory = sqlite3.connect(f"{directory}/memory.db", timeout=0.5, isolation_level=None)
            memory.executescript(PRAGMAS + MEMORY)
            for row in ("swarm", self.id), ("objective", self.objective), ("written by", LABEL):
                memory.execute("REPLACE INTO memory_entries VALUES(?,?, 'sample', datetime())", row)
            memory.close()
        db = sqlite3.connect(".hive-mind/hive.db", timeout=0.5, isolation_level=None)
        db.executescript(PRAGMAS + HIVE_DB)
        swarm = (self.id, f"hive-{self.id[6:]}", self.objective, self.options.queen_type)
        db.execute("INSERT INTO swarms VALUES(?, ?, ?, 'active', ?, CURRENT_TIMESTAMP)", swarm)
        agent = "INSERT INTO agents VALUES(?, ?, ?, ?, ?, ?)"
        db.execute(agent, (self.queen, self.id, "Queen", "coordinator", "queen", "active"))
        task = "INSERT INTO tasks VALUES(?, ?, ?, ?, 'pending', 5, CURRENT_TIMESTAMP, NULL, 0)"
        for i, kind in enumerate(self.workers):
            worker, part = f"{self.id}-worker-{i}", f"{kind}: part {i + 1}"
            db.execute(agent, (worker, self.id, f"{kind} {i + 1}", kind, "worker", "idle"))
            db.execute(task, (f"{self.id}-task-{i}", self.id, worker, part))
        db.execute("INSERT INTO consensus_decisions VALUES(1,?,'who','all',datetime())", swarm[:1])
        self.db = db
        self.save()

    def save(self) -> None:
        """Write how far the run is, as the real one does every 30 seconds."""
        if self.db:
            share = 100 * self.done / len(self.workers)
            self.db.execute("UPDATE swarms SET status = ? WHERE id = ?", (self.status, self.id))
            self.db.execute("UPDATE agents SET status=? WHERE id=?", (self.status, self.queen))
            row = (f"session-{self.id}", self.id, self.status, share)
            self.db.execute("REPLACE INTO sessions VALUES(?, ?, ?, ?)", row)
            state = {"swarmId": self.id, "status": self.status, "completionPercentage": share}
            write(f".hive-mind/sessions/session-{self.id}.json", dumps(state))
            write(".claude-flow/metrics/performance.json", dumps({"tasksCompleted": self.done}))

    def record(self, i: int, task: str, agent: str) -> None:
        """Write the new status of a worker and of its task."""
        if self.db:
            worker = f"{self.id}-worker-{i}"
            self.db.execute("UPDATE agents SET status = ? WHERE id = ?", (agent, worker))
            now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
            row = (task, None, 0.5, worker) if task == "in_progress" else (task, now, 1, worker)
            change = "UPDATE tasks SET status=?, completed_at=?, progress=? WHERE agent_id=?"
            self.db.execute(change, row)
            fact = (f"{worker}-{task}", self.id, f"part/{i + 1}", task, now)
            self.db.execute("INSERT INTO collective_memory VALUES(?, ?, ?, ?, ?)", fact)
            self.save()

    def step(self, i: int, finished: int) -> None:
        """Let a worker begin or finish its task, and show it."""
        failed = bool(finished) and self.failed and i == len(self.workers) - 1
        self.done += finished - failed
        task = ("in_progress", "completed", "failed")[finished + failed]
        self.attempt(self.record, i, task, ("busy", "idle", "error")[finished + failed])
        if self.options.stream_json:
            begins = {"type": "text", "text": f"🐝 {self.workers[i]} begins"}
            use = {"type": "tool_use", "id": f"toolu_{i}", "name": "Task", "input": {}}
            answer = {"type": "tool_result", "tool_use_id": use["id"], "content": NOT_THE_RESULT}
            role, content = ("user", [answer]) if finished else ("assistant", [begins, use])
            self.say(dumps({"type": role, "message": {"role": role, "content": content}}))
        elif not self.options.lines:
            self.say(f"{CLEAR}🐝 {self.workers[i]} {i + 1}: {task}", RED if failed else CYAN)

    def show_start(self) -> None:
        """Print the summary of the swarm, and whatever else was asked for."""
        o = self.options
        self.say(f"{LABEL}\n👑 Hive Mind spawned\nSwarm ID: {self.id}", YELLOW)
        self.say(f"Objective: {self.objective}")
        self.say(f"Queen Type: {o.queen_type}\nWorkers: {', '.join(self.workers)}", CYAN)
        if o.echo_args:
            names = ["HIVE_MIND_SESSION_ID", "HIVE_MIND_OUTPUT_DIR", "HOME", "USER"]
            env = {name: os.environ.get(name) for name in names}
            self.say(dumps({"argv": sys.argv, "cwd": os.path.realpath("."), "env": env}))
        if o.binary:
            out(b"binary: \xff\xfe \xc3( \xc0\xaf \xed\xa0\x80 \xf0\x9f\x90 \x00 end\n")
        if o.long_line:
            out(b"x" * o.long_line + b"\n")
        argv = [sys.executable, "-ISc", "import time; time.sleep(3600)"]
        for own_session in [False] * o.grandchild + [True] * o.setsid_grandchild:
            pid = os.posix_spawn(sys.executable, argv, os.environ, setsid=own_session)
            self.say(f"grandchild {pid}")
        if o.stream_json:
            init = {"type": "system", "subtype": "init", "session_id": self.id, "tools": ["Task"]}
            self.say(dumps(init | {"model": "sample", "cwd": os.path.realpath(".")}))

    def work(self) -> None:
        """Go through the steps and the numbered lines, for as long as was asked."""
        o, count, printed, share = self.options, len(self.workers), 0, 0.0
        steps = sorted([(k, k, 0) for k in range(count)] + [(k + 2, k, 1) for k in range(count)])
        while share < 1:
            share = min((time.monotonic() - self.began) / o.seconds, 1.0) if o.seconds else 1.0
            due = o.lines if o.fast else int(o.lines * share)
            while printed < due:
                block = range(printed + 1, min(printed + 2000, due) + 1)
                out(b"".join([b"line %06d of the sample, worker %d\n" % (n, n % 9) for n in block]))
                printed = block[-1]
            while steps and steps[0][0] <= share * (count + 1) * (0.5 if o.hang else 1):
                self.step(*steps.pop(0)[1:])
            if share < 1 and not (o.lines or o.stream_json):
                frame = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(time.monotonic() * 10) % 10]
                out(f"{CLEAR}\x1b[36m{frame}\x1b[39m Working {share:.0%}".encode())
            time.sleep(min(0.1, o.seconds / max(o.lines, 1) + 0.002, o.seconds * (1 - share)))

    def finish(self) -> int:
        """Leave the result files, print the outcome, linger, and return the exit code."""
        o, elapsed = self.options, time.monotonic() - self.began
        if o.hang:
            self.linger(-1)
        paths = [f"{'reports/' * (i == 1)}result-{i + 1}.md" for i in range(o.files)]
        if o.files and "HIVE_MIND_OUTPUT_DIR" in os.environ:
            paths.append(os.environ["HIVE_MIND_OUTPUT_DIR"] + "/hive-summary.md")
        self.say(f"{CLEAR}📊 {self.done} tasks in {elapsed:.1f} s, {len(paths)} files", CYAN)
        for path in paths:
            self.attempt(write, path, f"# Result\n\n{LABEL}\n\n{self.id}: {self.objective[:200]}\n")
        self.status = "failed" if self.failed else "completed"
        self.attempt(self.save)
        if o.fail >= 0 or o.exit:
            return max(o.fail, 0) % 256
        if o.stream_json:
            done = {"type": "result", "is_error": self.failed, "duration_ms": round(1000 * elapsed)}
            done |= {"subtype": "error_during_execution" if self.failed else "success"}
            done |= {"num_turns": 2 * self.done, "total_cost_usd": self.figure % 900 / 1000}
            self.say(dumps(done | {"result": LABEL, "session_id": self.id}))
        bad = f"\n✗ Claude Code exited with code {o.claude_fail}"
        good = "\n✓ Claude Code completed successfully"
        self.say(bad if self.failed else good, RED if self.failed else GREEN)
        self.linger(o.linger)
        return 0

    def linger(self, seconds: float) -> None:
        """Stay alive, for ever if `seconds` is negative, and save from time to time."""
        end = time.monotonic() + seconds if seconds >= 0 else float("inf")
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(30, left))
            self.attempt(self.save)


def stop(number: int, frame: object) -> None:
    """Handle the first SIGTERM or SIGINT."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> int:
    """Run the sample hive, and return the exit code."""
    if sys.argv[1:] in ([], ["--help"]):
        out(str(__doc__).encode())
        return 0 if sys.argv[1:] else 2
    swarm, code = Swarm(sys.argv[1], Options(sys.argv[2:])), 0
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, signal.SIG_IGN if swarm.options.ignore_term else stop)
        swarm.show_start()
        if not swarm.options.no_db:
            swarm.attempt(swarm.create_databases)
        swarm.work()
        code = swarm.finish()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except KeyboardInterrupt as stopped:
        signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
        signal.setitimer(signal.ITIMER_REAL, 0.8)  # in case nobody reads our output
        swarm.status = "stopped"
        swarm.say(f"\nReceived {stopped}, cleaning up...", YELLOW)
        swarm.attempt(swarm.save)
    if swarm.db:
        swarm.db.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
