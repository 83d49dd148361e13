"""The doctor on a disk that takes nothing: it says so, and mends when it can be written again."""

import json
from dataclasses import replace

import pytest
from django.conf import settings

from sessions_app import workspace
from sessions_app.conf import Conf
from tests.chaos.support import Filler, Mounts
from tests.unit.verb_steps import create, hive

pytestmark = pytest.mark.django_db(transaction=True)


def doctor(*options: str) -> dict[str, dict[str, str]]:
    """The problems by their codes."""
    result = hive("doctor", "--json", *options)
    told = json.loads(result.out)
    assert result.code == (1 if told["left"] else 0)
    return {problem["code"]: problem for problem in told["problems"]}


@pytest.fixture
def small(mounts: Mounts, conf: Conf, monkeypatch: pytest.MonkeyPatch) -> Conf:
    """An installation whose workspace is a small file system of its own."""
    mounts.tmpfs(conf.workspace, 512)
    workspace.initialise(conf)
    monkeypatch.setattr(settings, "HIVE", replace(conf, min_free_disk=0))
    return conf


@pytest.mark.parametrize(("fault", "code"), [("full", "disk_full"), ("read-only", "read_only")])
def test_what_a_disk_refuses_is_said_and_mended_later(
    mounts: Mounts, small: Conf, fault: str, code: str
) -> None:
    # given a session whose session.json is missing, on a disk that takes nothing
    session_id = create()
    (small.sessions_dir / session_id / "session.json").unlink()
    filler = Filler(small.workspace)
    if fault == "full":
        filler.fill()
    else:
        mounts.read_only(small.workspace, on=True)

    # when it is to be mended, then both are told of and left
    found = doctor("--repair")
    assert {key: problem["state"] for key, problem in found.items()} == {
        code: "left",
        "session_json": "left",
    }
    assert found[code]["where"] == str(small.sessions_dir)

    # when the disk is well again
    if fault == "full":
        filler.free()
    else:
        mounts.read_only(small.workspace, on=False)

    # then the one has come right by itself, and the other is mended
    assert {key: problem["state"] for key, problem in doctor("--repair").items()} == {
        "session_json": "mended"
    }
    assert doctor() == {}
