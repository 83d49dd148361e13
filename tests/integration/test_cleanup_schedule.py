"""The server cleans by itself, when the settings say so."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from sessions_app.conf import Conf, Retention
from sessions_app.spawner import housekeeping
from tests.integration.test_cleanup import API, ended
from tests.support import eventually, installation


def test_it_is_off_until_it_is_set_then_cleans_and_says_so(tmp_path: Path) -> None:
    # given a server that keeps sessions for a second, but was not told to clean by itself
    keeps = {"HIVE_KEEP_SESSIONS": "1s", "HIVE_KEEP_OUTPUTS": "1s"}
    with installation(tmp_path / "site", **keeps) as site:
        server = site.up()
        done, pinned = ended(server, 2)
        server.request("PATCH", f"{API}/sessions/{pinned}", {"pinned": True})
        eventually(
            lambda: (
                server.request("POST", f"{API}/cleanup", {"retention": True, "dry_run": True})[1][
                    "removed"
                ]
                == [done]
            ),
            "the session to be old enough",
        )
        assert site.session_dir(done).exists()
        assert not (site.state_dir / housekeeping.MARK).exists()
        server.stop()

        # when it is told to, and what it notes down cannot be written at first
        mark = site.state_dir / housekeeping.MARK
        mark.mkdir()
        server = site.up(HIVE_CLEANUP_EVERY="1s")

        # then it cleans soon after its start, in a line
        eventually(lambda: not site.session_dir(done).exists(), "the server to clean")
        eventually(lambda: "cleaning failed, trying again" in server.output, "a word about it")
        assert "cleaned: 1 sessions, 0 logs and 1 outputs removed" in server.output
        assert site.session_dir(pinned).exists()
        # and tries again until all is well
        mark.rmdir()
        eventually(mark.is_file, "the next try")
        # and again when the time has come
        (later,) = ended(server)
        eventually(lambda: not site.session_dir(later).exists(), "the next cleanup")
        assert server.request("GET", f"{API}/sessions/{pinned}")[1]["pinned"] is True
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("every", "wanted", "warned"),
    [(3600.0, True, True), (None, True, False), (3600.0, False, False)],
)
async def test_without_a_schedule_or_a_retention_it_does_nothing(
    conf: Conf, caplog: pytest.LogCaptureFixture, every: float | None, wanted: bool, warned: bool
) -> None:
    conf = replace(conf, retention=Retention(every=every))
    await housekeeping.run(conf, wanted=wanted)
    assert ("set HIVE_KEEP_" in caplog.text) == warned


@pytest.mark.parametrize(
    ("noted", "due"),
    [(None, 0.0), ("x", 0.0), (-7200, -3600.0), (-600, 3000.0), (7200, 3600.0)],
    ids=["never", "garbage", "overdue", "not yet", "the clock was set back"],
)
def test_restarts_do_not_put_it_off(conf: Conf, noted: object, due: float) -> None:
    mark = conf.state_dir / housekeeping.MARK
    if noted is not None:
        mark.write_text(str(time.time() + noted) if isinstance(noted, int) else str(noted))
    assert housekeeping.due_in(conf, 3600) == pytest.approx(due, abs=60)
    if noted == 7200:  # from now on it counts, and does not begin anew at each look
        assert float(mark.read_text()) == pytest.approx(time.time(), abs=60)
