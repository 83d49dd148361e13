"""The manual's pages about sessions."""

#: By verb.
PAGES = {
    "create": """\
usage: hive create [OPTION...] TASK [PRIORITY [METADATA]]

Makes a session: its directories, log file and entry in the registry. It does not run yet.

  TASK            what is to be worked on: 1 to 128,000 bytes, as one argument
  PRIORITY        high, medium (default) or low
  METADATA        a JSON object, or null
  --profile NAME  run the command of this profile (sample: the bundled sample hive)
  --start         start it at once, without following
  --not-before T  with --start: it waits until T, such as 2026-11-27T06:00:00+01:00
  --run-time T    stop it when it has run for T, such as 90s, 15m, 2h (pauses do not count)
  --idle-time T   stop it when it has neither written nor used the processor for T
  --log-size S    keep its log within S, such as 500MB: the middle goes, the run goes on
  --memory S      stop it when its processes use more than S, such as 2GB
                  (each of these: `off` for no limit; without it, the profile's and the settings')
  --on-usage-limit retry
                  try once more when the account's usage limit is reset (default: fail)
  --pool NAME     which hosts may run it: those that serve this pool, or the host of that name
  --on-lost retry make another session like it when its host is lost (default: fail)
  --              ends the options, for a task that looks like one

Prints the id on standard output, and the session as JSON on standard error.

  hive create "Build a Rust CLI tool" high '{"requester": "voice"}'
  id=$(hive create --profile sample --start "Try the sample")
  hive create --run-time 2h --idle-time 15m --start "Port the tests"
""",
    "start": """\
usage: hive start [--detach] ID [ARGUMENT...]

Runs a session. Everything after the id, --help and -- included, goes unchanged to the command,
after the task. Starting a session that is starting or running already is success and runs
nothing twice; one that has ended is refused (exit code 3).

  --detach        return as soon as the start is accepted, and print nothing
  --not-before T  it waits until T, such as 2026-11-27T06:00:00+01:00, at most a year ahead

Prints the log as it grows, and ends with the session: exit code 0 when it completed, else the
command's own (128 and the signal's number when a signal ended it, 1 when there is neither).
Interrupting this does not touch the session; `hive stop ID` does.

  hive start "$id" --queen-type tactical --max-workers 8
  hive start --detach "$id"
""",
    "status": """\
usage: hive status ID

Prints one word: created, starting, running, completed or failed; not_found, with exit code 4,
when there is no such session.

  [ "$(hive status "$id")" = completed ] && echo done
""",
    "get": """\
usage: hive get ID

Prints one JSON object: session_id, task, priority, created, updated, status, working_dir,
output_dir, database, log_file, metadata, and how it ended: reason, detail, exit_code,
exit_signal. While it waits, `waiting` has its place, the reason and until when; `paused` and
`stalled_since` tell of one that runs but stands still.

  hive get "$id" | jq .status
""",
    "list": """\
usage: hive list [--swarm SWARM] [--pool NAME] [--node NAME]

Prints {"sessions": {ID: {"task", "status", "created", "updated", "dir"}}, "created": TIME}.

  --swarm SWARM   only the session that is this swarm ("Swarm ID" in its log)
  --pool NAME     only sessions that ask for this pool
  --node NAME     only sessions that this host runs, or ran

  hive list | jq '.sessions | map(select(.status == "running")) | length'
""",
    "swarm": """\
usage: hive swarm [--json] ID

Prints what a session's swarm says of itself, from the databases in its directory: its objective,
agents, tasks and how many are done, decisions, memory. They are read from a copy, so nothing waits
for it. What cannot be read is said in the last lines.

  --json          print all of it as one JSON object (docs/telemetry.md)

  hive swarm "$id"
  hive swarm --json "$id" | jq .progress
""",
    "output-dir": """\
usage: hive output-dir ID

Prints the session's output directory, with a slash at its end.

  ls -la "$(hive output-dir "$id")"
""",
    "log": """\
usage: hive log [--follow] ID

Prints the path of the session's log file.

  --follow        print the log itself as it grows, and end with the session (exit code 0)

  tail -50 "$(hive log "$id")"
  hive log --follow "$id"
""",
    "metrics": """\
usage: hive metrics [--json] ID

Prints what a session's processes use and what its output says: now, the most at one moment, and
altogether. `?` stands for what is not known.

  --json          all of it as one JSON object, with the series of its life (docs/telemetry.md)

  hive metrics "$id"
  hive metrics --json "$id" | jq .resources.peak.memory_bytes
""",
    "pause": """\
usage: hive pause ID

Makes a running session stand still, with its whole process tree. Its state stays `running`, with
`paused: true`; its run time stands still, and it keeps its memory and its slot. Pausing a paused
session is success. Returns when it stands still.

  hive pause "$id"
""",
    "resume": """\
usage: hive resume ID

Lets a paused session go on. One that is not paused is left as it is.

  hive resume "$id"
""",
    "stop": """\
usage: hive stop ID

Ends a session, paused or not, and its whole process tree: SIGTERM (or what its profile says),
then SIGKILL after the grace period (HIVE_STOP_GRACE). Returns when it has ended, within 28
seconds; it is then `failed`, reason `stopped`. A session that has ended already is left as it is.

  hive stop "$id"
""",
    "retry": """\
usage: hive retry [--no-start] ID

Makes a new session with the task, arguments, metadata, priority, profile and limits of one that
has ended, and starts it. The new one names the old one as its `parent`; the old one stays.

  --no-start      do not start it yet

Prints the new id on standard output, and the session as JSON on standard error.

  new=$(hive retry "$id")
""",
    "update": """\
usage: hive update [--priority PRIORITY] [--metadata METADATA] ID

Changes a session that does not run yet: another priority moves it in the queue, METADATA (a JSON
object or null) takes the place of what it has. One that runs or has ended is refused (exit code
3). Prints the session as JSON.

  hive update --priority high "$id"
  hive update --metadata '{"ticket": 7}' "$id"
""",
    "update-status": """\
usage: hive update-status ID completed|failed

A report from inside a run: it decides the outcome, and what still runs is then stopped. Only a
running session takes one (exit code 3); reporting the same again is success. Inside a run it
works for every user: HIVE_MIND_TOKEN in its environment is good for this one report.

  hive update-status "$HIVE_MIND_SESSION_ID" completed
""",
}
