"""A hive for tests: it does what its arguments say, one after the other.

``say TEXT`` prints a line, ``count N PAUSE`` prints N numbered lines, ``fill BYTES`` prints so
many bytes in lines of 64, ``env NAME`` prints a variable. ``sleep S`` waits, ``burn S`` uses the
processor, ``grow MB`` takes memory. ``child ACTS`` and ``orphan ACTS`` start a process (the second
in a session of its own) that does what a JSON array says, ``run WORDS`` runs a command given as a
JSON array. ``trap SIGNAL TEXT`` prints a line when the signal comes and exits with 0, ``exit CODE``
exits. ``beat FILE GATE`` appends to a file that it has begun, and then that it lives, twenty times
a second until the file GATE is there, and after each line that ``count`` prints with a pause.

What stands in the arguments is an echo and tells no outcome. So there are ``claude CODE`` (how
claude ended), ``result`` (a failed result of stream-json), ``limited EPOCH`` and ``limited-words
RESETS`` (the usage limit was reached), ``allowed`` (requests are allowed).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

_kept: list[bytearray] = []
_diaries: set[str] = set()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _count(number: str, pause: str) -> None:
    for index in range(1, int(number) + 1):
        _say(f"line {index:06d}")
        time.sleep(float(pause))
        for path in _diaries if float(pause) else ():
            _tell(path, "alive")


def _burn(seconds: str) -> None:
    end = time.process_time() + float(seconds)
    while time.process_time() < end:
        pass


def _tell(path: str, word: str) -> None:
    line = f"{os.environ['HIVE_MIND_SESSION_ID']} {word} {time.monotonic():.3f}\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)


def _beat(path: str, gate: str) -> None:
    while True:
        _tell(path, "alive" if path in _diaries else "begun")
        _diaries.add(path)
        if os.access(gate, os.F_OK):
            return
        time.sleep(0.05)


def _grow(megabytes: str) -> None:
    block = bytearray(int(megabytes) * 1024 * 1024)
    block[::4096] = b"x" * len(block[::4096])
    _kept.append(block)


def _fill(size: str) -> None:
    for index in range(int(size) // 64):
        sys.stdout.write(f"{index:063d}\n")
    sys.stdout.flush()


def _child(acts: str, own_session: bool = False) -> None:
    command = [sys.executable, __file__, "child", *json.loads(acts)]
    subprocess.Popen(command, start_new_session=own_session)


def _orphan(acts: str) -> None:
    _child(acts, own_session=True)


def _trap(name: str, text: str) -> None:
    def caught(_number: int, _frame: object) -> None:
        _say(text)
        os._exit(0)

    signal.signal(signal.Signals[name], caught)


def _run(words: str) -> None:
    done = subprocess.run(json.loads(words), check=False, stdin=subprocess.DEVNULL)
    _say(f"it exited with {done.returncode}")


def _claude(code: str) -> None:
    done = "✓ Claude Code completed successfully"
    _say(done if code == "0" else f"✗ Claude Code exited with code {code}")


def _rate_limit(**info: object) -> None:
    _say(json.dumps({"type": "rate_limit_event", "rate_limit_info": info}))


def _limited(epoch: str) -> None:
    _rate_limit(status="rejected", resetsAt=int(epoch), rateLimitType="five_hour")


ACTS: dict[str, tuple[int, Callable[..., object]]] = {
    "say": (1, _say),
    "count": (2, _count),
    "sleep": (1, lambda seconds: time.sleep(float(seconds))),
    "burn": (1, _burn),
    "beat": (2, _beat),
    "grow": (1, _grow),
    "fill": (1, _fill),
    "child": (1, _child),
    "orphan": (1, _orphan),
    "trap": (2, _trap),
    "claude": (1, _claude),
    "result": (0, lambda: _say(json.dumps({"type": "result", "is_error": True, "result": "no"}))),
    "limited": (1, _limited),
    "limited-words": (1, lambda resets: _say(f"You've hit your limit · resets {resets}")),
    "allowed": (0, lambda: _rate_limit(status="allowed")),
    "run": (1, _run),
    "env": (1, lambda name: _say(f"{name}={os.environ.get(name)}")),
    "exit": (1, lambda code: sys.exit(int(code))),
}


def main(words: list[str]) -> None:
    """Do what the words say."""
    while words:
        count, act = ACTS[words[0]]
        act(*words[1 : 1 + count])
        words = words[1 + count :]


if __name__ == "__main__":
    main(sys.argv[2:])
