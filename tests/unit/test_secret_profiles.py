"""Secrets in the settings: how they are given, and that no message, repr or report shows one."""

import logging
import pprint
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.test import RequestFactory

from hiveweb import known_secrets, logs, profiles_file, reports
from hiveweb.env import Env, EnvError
from hiveweb.installation import build_conf
from sessions_app.conf import Conf
from sessions_app.errors import LaunchError
from sessions_app.identity import run_user
from sessions_app.launchers.base import LaunchSpec
from sessions_app.lifecycle import OnUsageLimit
from sessions_app.masking import Known
from sessions_app.models import AgentSession
from sessions_app.profiles import CommandProfile, claude_flow
from sessions_app.secret import MAX_BYTES, Secret, SecretFile
from sessions_app.spawner.environment import child_environment
from tests.support import ROOT

VALUE = "correct-horse-battery"


def read(tmp_path: Path, text: str, *inherited: str) -> dict[str, CommandProfile]:
    """The profiles of a file."""
    file = tmp_path / "profiles.toml"
    file.write_text(text)
    built_in = {"claude-flow": claude_flow("claude-flow", ("x",))}
    return profiles_file.read(str(file), built_in, OnUsageLimit.FAIL, inherited)


def test_a_profile_marks_variables_as_secret_in_three_ways(tmp_path: Path) -> None:
    text = f"""
[p]
command = ["x"]
environment = {{ A = "{VALUE}", B = "plain" }}
pass_environment = ["C"]
secret_environment = {{ D = "{VALUE}4", E = {{ file = "/run/secrets/e" }} }}
secrets = ["A", "C", "F", "CLAUDE_X"]
"""
    profile = read(tmp_path, text, "F")["p"]

    assert dict(profile.environment) == {
        "A": Secret(VALUE),
        "B": "plain",
        "D": Secret(VALUE + "4"),
        "E": SecretFile("/run/secrets/e"),
    }
    assert profile.secrets == {"C", "F", "CLAUDE_X"}


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('about = "two\\nlines"', "about must be one line of at most 200 characters"),
        ('about = ["x"]', "about must be one line"),
        (f'secret_environment = {{ A = ["{VALUE}"] }}', "secret_environment.A must be a text, or"),
        (f'secret_environment = ["{VALUE}"]', "secret_environment must be a table"),
        (
            'secret_environment = { A = "short" }',
            "secret_environment.A must have 8 to 16,384 bytes",
        ),
        ('secret_environment = { A = "aaaaaaaaaaaa" }', "not all the same"),
        (f'secret_environment = {{ A = "{VALUE}\\u0000" }}', "must have 8 to"),
        (f'secret_environment = {{ A = "{VALUE * 1000}" }}', "must have 8 to"),
        (
            'secret_environment = { A = { file = "relative" } }',
            'such as { file = "/run/secrets/key"',
        ),
        ('secret_environment = { A = { file = "/x", more = 1 } }', "must be a text, or"),
        ('environment = { A = "short" }\nsecrets = ["A"]', "environment.A must have 8 to"),
        (f'environment = {{ A = ["{VALUE}"] }}', "environment must be a table of texts"),
        ('secrets = ["A"]', "secrets names A, which its sessions do not get"),
        ('secrets = "A"', "secrets must be a list of variable names"),
        (f'secret_environment = {{ A = "{VALUE}', "cannot be read"),
        (f"secret_environment = {{ A = {VALUE} }}", "cannot be read"),
        (f'secret_environment = {{ A = "{VALUE}" "{VALUE}" }}', "cannot be read"),
        (f'secret_environment = {{ A = "{VALUE}\\q" }}', "cannot be read"),
        (f'on_usage_limit = "fail"\nspeed = "{VALUE}"', "there is no setting 'speed'"),
        (f'limits = {{ run_time = 1, secret = "{VALUE}" }}', "there is no limit"),
    ],
)
def test_what_is_wrong_is_said_without_the_value(
    tmp_path: Path, table: str, complaint: str
) -> None:
    with pytest.raises(EnvError) as caught:
        read(tmp_path, f'[p]\ncommand = ["x"]\n{table}\n')
    assert complaint in str(caught.value)
    for word in ("correct", "horse", "battery", "short"):
        assert word not in str(caught.value)


def test_a_runs_environment_has_the_values(conf: Conf, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-a-file\r\n")
    profile = CommandProfile(
        "p", ("x",), environment={"A": Secret(VALUE), "B": SecretFile(str(file)), "C": "c"}
    )
    session = AgentSession(id=uuid.uuid4(), output_dir="/out")
    made = child_environment(session, conf, profile, run_user(""), {})
    assert (made["A"], made["B"], made["C"]) == (VALUE, "from-a-file", "c")


def test_a_files_secret_is_known_before_its_first_run_can_print_it(
    conf: Conf, tmp_path: Path
) -> None:
    # given a secret file that has been looked at a moment ago
    file = tmp_path / "secret"
    file.write_text("the-first-secret")
    box = SecretFile(str(file))
    conf = replace(conf, secrets=Known([box]))
    assert conf.secrets.mask().needles == (b"the-first-secret",)

    # when it is another one at a launch
    file.write_text("the-second-one")
    session = AgentSession(id=uuid.uuid4(), output_dir="/out")
    profile = CommandProfile("p", ("x",), environment={"A": box})
    assert child_environment(session, conf, profile, run_user(""), {})["A"] == "the-second-one"

    assert conf.secrets.mask().needles == (b"the-first-secret", b"the-second-one")


@pytest.mark.parametrize("content", [None, b"", b"short\n", b"a\0bcdefghijk", b"xy" * MAX_BYTES])
def test_a_file_that_cannot_be_used_is_named_and_not_quoted(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LaunchError) as caught:
        SecretFile(str(file)).reveal()
    assert f"the secret file {file} " in caught.value.detail
    assert len(caught.value.detail) < len(str(file)) + 150


def test_what_is_secret_without_being_marked(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "secret_key").write_text("key-of-the-installation")
    (tmp_path / "hive.env").write_text("HIVE_TOKEN=token-in-the-file\n")
    environ = {
        "ANTHROPIC_API_KEY": "anthropic-key",
        "ANTHROPIC_AUTH_TOKEN": "anthropic-token",
        "CLAUDE_CODE_OAUTH_TOKEN": "claude-token",
        "HIVE_SECRET_KEY": "the-secret-key",
        "HIVE_TOKEN": "token-in-environment",
        "DATABASE_URL": "postgres://me:p%40ssw0rds@host/db",
        "ANTHROPIC_MODEL": "claude-opus-4-1",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "123456789",
        "HIVE_STATE_DIR": str(tmp_path / "state"),
        "CLAUDE_X_TOKEN": "short",
    }
    known = known_secrets.known(Env(str(tmp_path), environ), [], environ)

    assert {needle.decode() for needle in known.mask().needles} == {
        "anthropic-key",
        "anthropic-token",
        "claude-token",
        "the-secret-key",
        "token-in-environment",
        "token-in-the-file",
        "key-of-the-installation",
        "p%40ssw0rds",
        "p@ssw0rds",
    }
    assert known.unmasked == ("CLAUDE_X_TOKEN",)


def test_reprs_of_what_holds_secrets_do_not_show_them(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(
        f'[p]\ncommand = ["x"]\nsecret_environment = {{ A = "{VALUE}" }}\n'
        f'environment = {{ B = "{VALUE}b" }}\nsecrets = ["B"]\n'
    )
    environ = {"HIVE_TOKEN": f"{VALUE}-token", "HIVE_STATE_DIR": str(tmp_path / "state")}
    env = Env(str(tmp_path), environ)
    conf = build_conf(env, ROOT)
    spec = LaunchSpec(uuid.uuid4(), 1, ["x"], {"A": VALUE}, "/", 1, None)

    assert conf.profiles["p"].environment["A"] == Secret(VALUE)
    for thing in (conf, env, conf.profiles["p"], conf.profiles["p"].environment, spec):
        assert VALUE not in repr(thing)
        assert VALUE not in str(thing)
        assert VALUE not in pprint.pformat(thing)


@pytest.fixture
def knowing(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> Conf:
    """An installation with one known secret."""
    made = replace(conf, secrets=Known([Secret(VALUE), Secret('quo"ted&secret')]))
    monkeypatch.setattr(settings, "HIVE", made)
    return made


def test_our_log_lines_have_no_secrets_and_nothing_that_steers_a_terminal(knowing: Conf) -> None:
    formatter = logs.LineFormatter("{levelname} {name}: {message}", style="{")
    try:
        raise ValueError(f"no {VALUE}\nWARNING forged")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    task = f"\x1b]0;t\x07 {VALUE} \x9b \u202e\nERROR x: forged"
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "task %s", (task,), info)

    lines = formatter.format(record).split("\n")

    assert lines[0] == f"ERROR x: task \\x1b]0;t\\x07 {'*' * len(VALUE)} \\x9b \\u202e"
    assert all(line.startswith("  ") for line in lines[1:])
    assert VALUE not in "".join(lines)


def test_djangos_error_reports_have_no_secrets(knowing: Conf) -> None:
    request = RequestFactory().get("/", {"q": VALUE}, headers={"X-Thing": VALUE})
    environment = {"A": VALUE, "B": 'quo"ted&secret'}
    long = "x" * 4080 + VALUE  # a page cuts it off in the middle of the secret
    try:
        raise RuntimeError(f"it says {environment['A']} {len(long)}")
    except RuntimeError as error:
        report = reports.Report(request, RuntimeError, error, error.__traceback__)
        html, text = report.get_traceback_html(), report.get_traceback_text()

    assert settings.DEFAULT_EXCEPTION_REPORTER == "hiveweb.reports.Report"
    assert "RuntimeError" in html
    assert "environment" in html
    for told in (html, text):
        for part in (VALUE, "ted&secret", "ted&amp;secret", VALUE[:6]):
            assert part not in told
