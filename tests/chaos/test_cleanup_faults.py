"""Cleaning up where disks are full and file systems are mounted in sessions."""

import os
import subprocess
from pathlib import Path

from tests.chaos.support import Filler, Mounts
from tests.integration.test_cleanup import clean, ended, left
from tests.support import Installation, eventually, installation


def test_a_full_disk_can_be_cleaned(mounts: Mounts, tmp_path: Path) -> None:
    # given an installation all on one disk, with sessions that have ended
    disk = mounts.tmpfs(tmp_path / "disk", 8_000)
    filler = Filler(disk)
    with installation(disk / "site") as site:
        server = site.up()
        for lacking in ("bytes", "names"):
            ids = ended(server, 3)
            for session_id in ids:
                (site.session_dir(session_id) / "big").write_bytes(b"x" * 100_000)
            # when it has no room left
            if lacking == "bytes":
                filler.fill()
                backup = site.hive("backup", str(disk / "copy"))
                assert (backup.returncode, backup.stdout) == (1, b"")
                assert backup.stderr.decode().count("\n") == 1
                assert b"No space left" in backup.stderr or b"no space left" in backup.stderr
                assert list(disk.glob("*copy*")) == []
            else:
                eventually(lambda: no_more_inodes(disk), "the disk to be full as it is")
            # and is cleaned, then all of them go
            answer = clean(server, hours=0)
            assert answer["kept"] == []
            assert sorted(answer["removed"]) == sorted(ids)
            assert answer["bytes"] >= 300_000
            assert left(site) == []
            if lacking == "bytes":
                filler.free()


def no_more_inodes(disk: Path) -> bool:
    """Leave a disk no inode beyond those in use; False where one was made or freed meanwhile."""
    info = os.statvfs(disk)
    used = f"remount,nr_inodes={info.f_files - info.f_ffree}"
    done = subprocess.run(["mount", "-o", used, str(disk)], check=False, capture_output=True)
    return done.returncode == 0 and not os.statvfs(disk).f_ffree


def test_what_is_mounted_in_a_session_is_not_touched(
    mounts: Mounts, site: Installation, tmp_path: Path
) -> None:
    # given a directory of the same file system that is mounted in an ended session
    server = site.up()
    done, other = ended(server, 2)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    inside = mounts.bind(precious, site.session_dir(done) / "a" / "mounted here")
    # when it is tried, or cleaned
    for dry_run in (True, False):
        answer = clean(server, hours=0, dry_run=dry_run)
        # then it is kept whole, with the reason, and the other one goes
        assert answer["removed"] == [other]
        assert [kept["session_id"] for kept in answer["kept"]] == [done]
        assert f"a file system is mounted in it: {inside}" in answer["kept"][0]["reason"]
    assert (precious / "file").exists()
    assert (site.session_dir(done) / "session.json").exists()
    assert site.log(done).exists()
    # and without the mount it goes
    mounts.close()
    assert clean(server, hours=0)["removed"] == [done]
    assert left(site) == []
    assert (precious / "file").exists()
