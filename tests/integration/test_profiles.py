"""Command profiles from a file, run for real; mistakes in it keep the server from starting."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.integration.acting import ACTING, acting, begin, post, said
from tests.integration.looking import ended, running
from tests.support import Installation, Server

PROFILES = f"""
[talks]
command = {json.dumps(ACTING)}
success = ['all (?P<code>\\d+) tasks done', 'fine']
failure = ['gave up: .*']
usage_limit = ['quota exceeded']
environment = {{ COLOUR = "green" }}
pass_environment = ["SECRET_OF_OURS"]
limits = {{ run_time = "1h" }}

[patient]
extends = "talks"
ends_on = "exit"
success_codes = [0, 3]
limits = {{ memory = "1GB" }}
on_usage_limit = "retry"

[polite]
command = {json.dumps(ACTING)}
stop_signal = "SIGINT"
stop_grace = 15
"""


@pytest.fixture(scope="module")
def talking(shared_site: Installation) -> Server:
    """A server with the profiles above."""
    file = shared_site.base / "profiles.toml"
    file.write_text(PROFILES)
    acting(shared_site, HIVE_PROFILES=str(file), SECRET_OF_OURS="a", ANOTHER="b")
    return shared_site.up()


@pytest.mark.parametrize(
    ("acts", "status", "reason", "code"),
    [
        (("run", '["echo", "fine"]', "sleep", "99"), "completed", "outcome_rule", None),
        (("run", '["echo", "gave up: no idea"]', "sleep", "99"), "failed", "outcome_rule", None),
        (("run", '["echo", "all 7 tasks done"]', "sleep", "99"), "completed", "outcome_rule", 7),
        (("run", '["echo", "not so fine"]', "exit", "3"), "failed", "exited", 3),
        (("run", '["echo", "quota", "exceeded"]', "exit", "1"), "failed", "usage_limited", 1),
    ],
)
def test_patterns_of_a_profile_tell_the_outcome(
    talking: Server, acts: tuple[str, ...], status: str, reason: str, code: int | None
) -> None:
    session = ended(talking, begin(talking, *acts, profile="talks"))

    assert (session["status"], session["reason"]) == (status, reason), session
    if code is not None:
        assert session["exit_code"] == code
    talking.request("DELETE", "/api/v1/holds/talks")


def test_a_run_that_ends_on_its_exit_goes_on_after_the_telling_line(
    talking: Server, shared_site: Installation
) -> None:
    acts = ("run", '["echo", "gave up: but"]', "sleep", "1.5", "say", "cleaned up", "exit", "0")

    session = ended(talking, begin(talking, *acts, profile="patient"))

    assert (session["status"], session["reason"]) == ("failed", "outcome_rule")
    assert "cleaned up" in shared_site.log(session["session_id"]).read_text()


def test_exit_codes_of_success_are_the_profiles_own(talking: Server) -> None:
    session = ended(talking, begin(talking, "exit", "3", profile="patient"))

    assert (session["status"], session["exit_code"]) == ("completed", 3)
    assert (session["limits"]["run_time"], session["limits"]["memory"]) == (3600, 10**9)
    assert session["on_usage_limit"] == "retry"


def test_a_profile_sets_and_passes_variables(talking: Server, shared_site: Installation) -> None:
    names = ("COLOUR", "SECRET_OF_OURS", "ANOTHER")
    acts = [word for name in names for word in ("env", name)]

    session = ended(talking, begin(talking, *acts, profile="talks"))

    log = shared_site.log(session["session_id"]).read_text().split()
    assert log == ["COLOUR=green", "SECRET_OF_OURS=a", "ANOTHER=None"]


def test_a_stop_sends_the_profiles_signal_and_waits_its_grace(
    talking: Server, shared_site: Installation
) -> None:
    acts = ("trap", "SIGINT", "goodbye", "say", "ready", "sleep", "100")
    session_id = begin(talking, *acts, profile="polite")
    running(talking, session_id)
    said(shared_site, session_id, "ready")

    post(talking, session_id, "stop?wait=20")

    session = ended(talking, session_id)
    assert (session["reason"], session["exit_code"]) == ("stopped", 0)
    assert "goodbye" in shared_site.log(session_id).read_text()


def test_an_unknown_profile_is_refused_with_those_there_are(talking: Server) -> None:
    status, problem = talking.request("POST", "/api/v1/sessions", {"task": "x", "profile": "nope"})

    assert status == 422
    assert "choose from claude-flow, patient, polite, sample, talks" in problem["detail"]


def test_a_session_whose_profile_is_gone_says_so(site: Installation) -> None:
    file = site.base / "profiles.toml"
    file.write_text(PROFILES)
    site.env.update(HIVE_PROFILES=str(file), HIVE_AUTOSPAWN="0")
    made = site.hive("create", "--profile", "talks", "--start", "x")
    session_id = made.stdout.decode().strip()
    file.write_text("")

    server = site.up()

    session = ended(server, session_id)
    assert (session["status"], session["reason"]) == ("failed", "launch_failed")
    assert "there is no profile 'talks'" in session["detail"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[x", "cannot be read"),
        ("x = 1", "a profile is a table"),
        ("[x]", "command is missing"),
        ("[x]\ncommand = 'a b'", "command must be a list of words"),
        ("[x]\ncommand = ['{task}']", "command must be a list of words"),
        ("[x]\ncommand = ['a']\nspeed = 1", "there is no setting 'speed'"),
        ("[x]\nextends = 'y'", "extends must be one of claude-flow, sample"),
        ("[x]\ncommand = ['a']\nsuccess = ['(']", "success has a pattern that cannot be used"),
        ("[x]\ncommand = ['a']\nfailure = 'x'", "failure must be a list of regular expressions"),
        ("[x]\ncommand = ['a']\nends_on = 'never'", "ends_on must be"),
        ("[x]\ncommand = ['a']\nstop_signal = 'SIGKILL'", "stop_signal must be one of"),
        ("[x]\ncommand = ['a']\nstop_grace = 60", "stop_grace must be a number of seconds"),
        ("[x]\ncommand = ['a']\nsuccess_codes = [256]", "success_codes must be a list"),
        ("[x]\ncommand = ['a']\nlimits = { speed = 1 }", "there is no limit 'speed'"),
        ("[x]\ncommand = ['a']\nlimits = { run_time = 'x' }", "run_time must be a time such as"),
        ("[x]\ncommand = ['a']\nenvironment = { A = 1 }", "environment must be a table of texts"),
        ("[x]\ncommand = ['a']\npass_environment = ['a b']", "must be a list of variable names"),
        ("[x]\ncommand = ['a']\non_usage_limit = 'wait'", 'on_usage_limit must be "fail"'),
        ("['a b']\ncommand = ['a']", "a name has 1 to 64 letters"),
    ],
)
def test_a_mistake_in_the_file_is_said_in_one_line(
    site: Installation, text: str, complaint: str
) -> None:
    file = site.base / "profiles.toml"
    file.write_text(text)
    site.env["HIVE_PROFILES"] = str(file)

    done = site.manage("check")

    assert done.returncode != 0
    assert complaint in done.stderr.decode()
    assert str(file) in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_named_and_missing_is_a_mistake(site: Installation) -> None:
    site.env["HIVE_PROFILES"] = str(Path(site.base) / "nowhere.toml")

    done = site.manage("check")

    assert done.returncode != 0
    assert b"nowhere.toml cannot be read: No such file or directory" in done.stderr


def test_a_run_that_goes_on_after_its_line_outlives_the_server_and_can_be_stopped(
    site: Installation,
) -> None:
    file = site.base / "profiles.toml"
    file.write_text(PROFILES)
    server = acting(site, HIVE_PROFILES=str(file)).up()
    acts = ("run", '["echo", "fine"]', "count", "9999", "0.05")
    goes_on, stops, limited = (
        begin(server, *acts, profile="patient", limits=limits)
        for limits in ({}, {}, {"run_time": "6s"})
    )
    for session_id in (goes_on, stops, limited):
        said(site, session_id, "line 000002")

    server.kill()
    server = site.up()
    post(server, stops, "stop?wait=10")

    assert (ended(server, stops)["reason"], ended(server, stops)["exit_signal"]) == ("stopped", 15)
    assert ended(server, limited)["reason"] == "timed_out"
    assert running(server, goes_on)["reason"] is None
    assert post(server, goes_on, "pause?wait=10")[1]["paused"] is True
    assert post(server, goes_on, "resume?wait=10")[1]["paused"] is False
    for pid in site.processes(goes_on):
        os.kill(pid, signal.SIGKILL)
    session = ended(server, goes_on)
    assert (session["status"], session["reason"]) == ("completed", "outcome_rule")


def test_half_a_character_in_a_result_does_not_hold_a_session(talking: Server) -> None:
    line = '{"type":"result","is_error":true,"result":"cut \\ud83d"}'

    session = ended(talking, begin(talking, "run", json.dumps(["echo", line]), "sleep", "99"))

    assert (session["status"], session["reason"]) == ("failed", "outcome_rule")
    assert session["detail"].endswith("cut ?")
