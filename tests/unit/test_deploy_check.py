"""Django's own list of what a server needs is met in the container, or there is a reason."""

import os
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from hiveweb.headers import complete
from tests.support import PYTHON, ROOT
from tests.unit.test_container_files import environment


def check(tmp_path: Path, **further: str) -> "subprocess.CompletedProcess[str]":
    """``manage.py check --deploy`` with the image's settings, and a state directory to write."""
    ours = {name: value for name, value in environment().items() if name.startswith("HIVE_")}
    env = {
        "PATH": os.environ["PATH"],
        "HIVE_ENV_FILE": str(ROOT / "deploy/container/hive.env"),
        **ours,
        "HIVE_STATE_DIR": str(tmp_path),
        **further,
    }
    command = [PYTHON, str(ROOT / "manage.py"), "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_containers_settings_are_clean(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_the_check_would_tell(tmp_path: Path) -> None:
    done = check(tmp_path, HIVE_DEBUG="1")
    assert done.returncode == 1
    assert "security.W018" in done.stderr


def test_lint_runs_the_check() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert "HIVE_ENV_FILE=deploy/container/hive.env" in recipe
    assert "check --deploy --fail-level WARNING" in recipe


@pytest.mark.parametrize("name", ["sessionid", "csrftoken"])
def test_what_is_silenced_is_done_elsewhere(name: str) -> None:
    assert set(settings.SILENCED_SYSTEM_CHECKS) == {
        "security.W004",
        "security.W008",
        "security.W012",
        "security.W016",
    }
    cookie = (b"Set-Cookie", f"{name}=x; Path=/".encode())
    sent = complete([cookie], secure=True, host="hive.example")
    assert sent[0][1].endswith(b"; Secure")
    assert b"Strict-Transport-Security" in dict(sent)
    page = (ROOT / "docs/container.md").read_text()
    assert "redirects to https" in " ".join(page.split())
