#!/usr/bin/env python3
"""Django's command-line entry point for hiveweb."""

import os
import sys


def main() -> int:
    """Run a management command; a setting that cannot be used is said in one line."""
    if sys.version_info < (3, 11):
        sys.stderr.write(f"hiveweb needs Python 3.11 or newer; this is {sys.version.split()[0]}\n")
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiveweb.settings")
    try:
        from django.core.management import execute_from_command_line  # noqa: PLC0415
    except ImportError:
        sys.stderr.write(
            "Django is not installed here; run 'make install' and use .venv/bin/python\n"
        )
        return 2
    from hiveweb.env import EnvError  # noqa: PLC0415 - after the version check
    from sessions_app import callers, identity  # noqa: PLC0415 - as above

    # Whoever may run this has our files anyway: they are an administrator.
    callers.become(identity.local_caller(os.geteuid(), callers.Via.SHELL))

    # Django would take --settings and --pythonpath from a task or from a command's arguments.
    words = sys.argv[:2] if sys.argv[1:2] == ["hive"] else sys.argv
    try:
        execute_from_command_line(words)
    except EnvError as error:
        sys.stderr.write(f"hiveweb: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
