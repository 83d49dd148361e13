"""Every bash block of docs/api.md runs as it is written."""

import re
import subprocess
from pathlib import Path

from tests.integration.api_client import API, fetch
from tests.support import ROOT, installation

TOKEN = "a-token-of-twenty-one"


def test_the_examples_do_what_they_say(tmp_path: Path) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.S)
    assert len(blocks) == 6
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    with installation(tmp_path / "site", HIVE_TOKEN=TOKEN) as site:
        server = site.up()
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
            cwd=downloads,
            env={"PATH": site.env["PATH"], "HIVE": server.url, "HIVE_TOKEN": TOKEN},
            capture_output=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        headers = {"Authorization": f"Bearer {TOKEN}"}
        sessions = fetch(server, "GET", f"{API}/sessions", headers=headers).json["sessions"]
        haiku, limerick, scraper = sessions
        statuses = [session["status"] for session in sessions]
        assert statuses == ["completed", "created", "completed"]
        assert limerick["session_id"] in done.stdout.decode()
        assert scraper["args"] == ["--max-workers", "8"]
        # then: statuses and the log's last lines are printed, the files are here, the log followed
        printed = done.stdout.decode()
        assert printed.startswith("completed\n")
        lines = site.log(scraper["session_id"]).read_text().splitlines()
        assert lines[-1] in printed
        assert "event: end" in printed
        assert '"text":"' in printed
        assert '"kind":"created"' in printed
        assert '"kind":"completed"' in printed
        left = {path.name for path in site.output_dir(scraper["session_id"]).rglob("*.*")}
        assert left
        assert left <= {path.name for path in downloads.iterdir()}
        assert haiku["task"] == "Write a haiku"
