"""Collecting what a run left, against everything it can leave."""

import os
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from sessions_app import cleanup, collect, services
from sessions_app.conf import Conf
from sessions_app.models import AgentSession

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(conf: Conf) -> AgentSession:
    return services.create("a task")


def working(session: AgentSession) -> Path:
    return Path(session.working_dir)


def names(session: AgentSession) -> set[str]:
    output = Path(session.output_dir)
    return {str(p.relative_to(output)) for p in output.rglob("*")}


def test_files_are_linked_and_ours_and_hidden_ones_left(conf: Conf, session: AgentSession) -> None:
    (working(session) / "src").mkdir()
    (working(session) / "src/main.rs").write_text("fn main() {}")
    (working(session) / "src/.keep").write_text("")
    (working(session) / ".env").write_text("SECRET")
    (working(session) / "node_modules/x").mkdir(parents=True)
    (working(session) / "node_modules/x/y.js").write_text("")

    result = collect.collect(conf, session)

    assert (result.files, result.bytes, result.error) == (2, 12, "")
    assert names(session) == {"src", "src/main.rs", "src/.keep"}
    source = working(session) / "src/main.rs"
    assert (Path(session.output_dir) / "src/main.rs").samefile(source)


def test_what_the_run_wrote_into_output_stays_as_it_is(conf: Conf, session: AgentSession) -> None:
    (working(session) / "result.md").write_text("from the working directory")
    (Path(session.output_dir) / "result.md").write_text("from the run")

    collect.collect(conf, session)

    assert (Path(session.output_dir) / "result.md").read_text() == "from the run"


def test_links_and_odd_files_are_not_followed_and_not_collected(
    conf: Conf, session: AgentSession, tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/key").write_text("SECRET")
    (working(session) / "file-link").symlink_to(tmp_path / "secrets/key")
    (working(session) / "dir-link").symlink_to(tmp_path / "secrets")
    os.mkfifo(working(session) / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        here = Path.cwd()
        os.chdir(working(session))
        sock.bind("sock")
        os.chdir(here)

    result = collect.collect(conf, session)

    assert (result.files, result.error) == (0, "")
    assert names(session) == set()


def test_a_directory_that_is_a_link_in_the_output_is_an_error_and_not_entered(
    conf: Conf, session: AgentSession, tmp_path: Path
) -> None:
    (working(session) / "sub").mkdir()
    (working(session) / "sub/file").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (Path(session.output_dir) / "sub").symlink_to(tmp_path / "elsewhere")

    result = collect.collect(conf, session)

    assert result.error
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_too_much_is_said_and_what_fitted_is_there(conf: Conf, session: AgentSession) -> None:
    (working(session) / "a").write_bytes(b"x" * 600)
    (working(session) / "b").write_bytes(b"x" * 600)

    result = collect.collect(replace(conf, collect_max_bytes=1000), session)

    assert "HIVE_COLLECT_MAX_MB" in result.error
    assert names(session) == {"a"}


def test_files_are_copied_where_they_cannot_be_linked(
    conf: Conf, session: AgentSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    (working(session) / "a").write_bytes(b"content")
    (working(session) / "a").chmod(0o640)

    def no_links(*_args: object, **_kwargs: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    result = collect.collect(conf, session)

    copy = Path(session.output_dir) / "a"
    assert (result.files, result.error) == (1, "")
    assert copy.read_bytes() == b"content"
    assert copy.stat().st_mode & 0o777 == 0o640
    assert not copy.samefile(working(session) / "a")


def test_collecting_twice_changes_nothing(conf: Conf, session: AgentSession) -> None:
    (working(session) / "a").write_bytes(b"content")
    first = collect.collect(conf, session)
    assert collect.collect(conf, session) == first
    assert names(session) == {"a"}


def test_a_missing_directory_is_said(conf: Conf, session: AgentSession) -> None:
    Path(session.output_dir).rmdir()
    assert "No such file" in collect.collect(conf, session).error


def test_a_copy_that_was_killed_midway_is_made_anew(
    conf: Conf, session: AgentSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    (working(session) / "a").write_bytes(b"whole content")
    (Path(session.output_dir) / ".hiveweb-part").write_bytes(b"who")

    def no_links(*_args: object, **_kwargs: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    first = collect.collect(conf, session)
    again = collect.collect(conf, session)

    assert (first.files, first.error) == (1, "")
    assert again == first
    assert names(session) == {"a"}
    assert (Path(session.output_dir) / "a").read_bytes() == b"whole content"


def test_an_interrupted_copy_leaves_no_part_of_a_file(
    conf: Conf, session: AgentSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    (working(session) / "a").write_bytes(b"content")
    cancelled = threading.Event()
    cancelled.set()

    def no_links(*_args: object, **_kwargs: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    assert "interrupted" in collect.collect(conf, session, cancelled).error
    assert names(session) == set()


def test_a_runaway_tree_is_said_and_can_be_cleaned_up(conf: Conf, session: AgentSession) -> None:
    subprocess.run(["mkdir", "-p", "d/" * 1100], cwd=working(session), check=True)

    assert "levels deep" in collect.collect(conf, session).error
    services.stop(session.id)

    assert [r.kept for r in cleanup.cleanup(0) if r is not None] == [""]
    assert not working(session).exists()


def test_another_users_file_with_a_second_name_here_is_left(
    conf: Conf, session: AgentSession, tmp_path: Path
) -> None:
    """A copy of it would look like the run's own, and be sent to who asks for the outputs."""
    theirs, mine = tmp_path / "secret", working(session) / "mine"
    theirs.write_text("root's alone")
    mine.write_text("x")
    os.link(mine, working(session) / "mine-again")
    os.link(theirs, working(session) / "innocent.txt")
    for path in (mine, Path(session.output_dir)):
        os.chown(path, 65534, 65534)

    found = collect.collect(conf, session)

    assert (found.files, found.error) == (2, "")
    assert names(session) == {"mine", "mine-again"}
