"""What every Django developer expects of manage.py, and what the install script refuses."""

import subprocess
import urllib.request
from pathlib import Path

from tests.support import PYTHON, ROOT, Installation, eventually


def test_migrate_and_runserver_work(site: Installation) -> None:
    assert site.manage("migrate").returncode == 0
    with subprocess.Popen(
        [PYTHON, str(ROOT / "manage.py"), "runserver", "--noreload", f"127.0.0.1:{site.port}"],
        env=site.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:

            def page() -> bytes | None:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/") as answer:
                        return bytes(answer.read())
                except OSError:
                    return None

            assert b"hiveweb" in eventually(page, "the list page")
            sheet = f"http://127.0.0.1:{site.port}/static/css/layout.css"
            with urllib.request.urlopen(sheet) as answer:
                assert answer.status == 200
        finally:
            process.terminate()


def test_checks_and_migrations_are_clean(site: Installation) -> None:
    assert site.manage("check").returncode == 0
    assert site.manage("makemigrations", "--check", "--dry-run").returncode == 0


def test_a_python_that_is_too_old_is_said_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && { echo "Python 3.9.2"; exit 0; }\nexit 1\n')
    old.chmod(0o755)

    done = subprocess.run(
        [ROOT / "scripts/install.sh", "requirements.txt", "stamp"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "make install: Python 3.11 or newer is needed, this is Python 3.9.2; "
        "use make PYTHON=python3.11 ..."
    ]
    assert list(tmp_path.iterdir()) == [old]
