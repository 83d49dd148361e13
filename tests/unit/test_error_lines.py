"""Which lines look like errors, and which only speak of them."""

import pytest

from sessions_app.telemetry.error_lines import NEEDLES, Echoes, has_needle, looks_like_one

ERRORS = """\
✗ Claude Code exited with code 3
❌ Task failed
🐝 tester 4: failed
⚠ Error: could not connect
error: could not compile `x` (bin "x") due to 2 previous errors
error[E0308]: mismatched types
ERROR something broke
[ERROR] x
[2026-11-22T12:00:00Z] [fatal] no, bad: x
2026-11-22 12:00:00,123 ERROR foo bar
npm ERR! code ELIFECYCLE
FAILED tests/test_x.py::test_y - AssertionError
Failed to fetch https://example.org
thread 'main' panicked at src/main.rs:4:5:
Traceback (most recent call last):
ValueError: invalid literal for int() with base 10: 'x'
java.lang.NullPointerException: null
Exception in thread "main" java.lang.NullPointerException
bash: /x: Permission denied
make: *** [Makefile:3: all] Error 2
test result: FAILED. 3 passed; 2 failed; 0 ignored
fatal: not a git repository
Uncaught TypeError: x is not a function
===== 1 failed, 2 passed in 0.1s =====
0 errors, 1 failed
Error: EACCES: permission denied, open '/x'
Error while loading shared libraries
Build failed.
panic: runtime error: index out of range
AssertionError
error: no such file or directory
error: 0x80070005
Access denied"""
NONE = """\
0 errors
no error
No errors found
Finished with 0 errors and 0 warnings
test result: ok. 5 passed; 0 failed; 0 ignored
3 passed, 0 failed, 1 skipped
failed: 0, passed: 3
{"passed": 3, "failed": 0}
errors: none
"error": null
error=0
error_count: 3
added error handling to src/error.rs
Error handling is in place
wrote errors.py
std::error::Error is used here
use std::error::Error;
without errors
If it fails, it is tried again
✓ Claude Code completed successfully
Working on failure modes
access was not denied
the exception hierarchy
Objective: handle failures"""


@pytest.mark.parametrize("line", ERRORS.splitlines())
def test_it_looks_like_an_error(line: str) -> None:
    assert looks_like_one(line)
    assert has_needle(line.encode())


@pytest.mark.parametrize("line", NONE.splitlines())
def test_it_does_not(line: str) -> None:
    assert not looks_like_one(line)


def test_needles_are_in_lower_case_as_what_is_searched() -> None:
    assert all(needle == needle.lower() for needle in NEEDLES)


def test_an_echo_of_the_task_is_none_behind_a_label_too() -> None:
    echoes = Echoes(["repair this:\n  error: no such file\n", "--fail", "failed"])

    assert "error: no such file" in echoes
    assert "Objective: error: no such file" in echoes
    assert "🎯 Objective: error: no such file" in echoes
    assert "failed" in echoes
    assert "compile: error: no such file or directory" not in echoes
    assert "Error: error: no such file" not in echoes
    assert "the build failed" not in echoes


def test_a_long_line_is_looked_at_in_a_moment() -> None:
    for line in (
        "error " * 10_000,
        "(" * 50_000 + "error",
        "a." * 30_000,
        " " * 50_000 + "failed x",
    ):
        looks_like_one(line)
