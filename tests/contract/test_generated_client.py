"""A Python client that a generator makes of the document does the main job, with a token."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.integration.api_client import API, fetch
from tests.integration.browsing import token
from tests.support import PYTHON, Installation, Server

NAME = "generated_hive_client"
#: The generator knows no archives, only bytes; what it calls after its work is not needed here.
CONFIG = {
    "package_name_override": NAME,
    "content_type_overrides": {"application/zip": "application/octet-stream"},
    "post_hooks": [],
}


@pytest.fixture
def hive(
    tmp_path: Path, site: Installation, server: Server, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[Generated]":
    """The client, made of the document that the server serves; a doubt of the generator's fails."""
    document, config = tmp_path / "openapi.json", tmp_path / "config.json"
    document.write_bytes(fetch(server, "GET", f"{API}/openapi.json").body)
    config.write_text(json.dumps(CONFIG))
    command = [str(Path(PYTHON).with_name("openapi-python-client")), "generate"]
    command += ["--path", str(document), "--output-path", str(tmp_path / "made" / NAME)]
    command += ["--meta", "none", "--config", str(config), "--fail-on-warning"]
    (tmp_path / "made").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(tmp_path / "made")
    bearer = token(site, "python", "operator")["Authorization"].removeprefix("Bearer ")
    made = Generated(server, bearer)
    yield made
    made.close()
    for module in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[module]


class Generated:
    """What a program that uses the generated client would import."""

    def __init__(self, server: Server, bearer: str) -> None:
        self.models = importlib.import_module(f"{NAME}.models")
        client: Any = importlib.import_module(f"{NAME}.client")
        self._client = client.AuthenticatedClient(server.url, token=bearer, timeout=60)

    def close(self) -> None:
        """Give its connections back."""
        self._client.get_httpx_client().close()

    def __call__(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Ask; returns what the answer was parsed into."""
        tag, _, name = operation.partition(".")
        module: ModuleType = importlib.import_module(f"{NAME}.api.{tag}.{name}")
        return module.sync(*args, client=self._client, **kwargs)


def test_a_generated_client_creates_starts_waits_and_collects(
    hive: Generated, site: Installation
) -> None:
    models = hive.models

    body = models.Create(
        task='a "task" 🐝',
        priority=models.CreatePriority.HIGH,
        args=["--exit", "--seconds", "0"],
        metadata=models.CreateMetadataType0.from_dict({"project": "clients"}),
    )
    made = hive("sessions.create_session", body=body)
    assert isinstance(made, models.Session)
    assert (made.status, made.owner) == (models.SessionStatus.CREATED, "token:python")
    started = hive("sessions.start_session", made.session_id, body=models.Start(args=["--lines=3"]))
    assert started.status in (models.SessionStatus.STARTING, models.SessionStatus.RUNNING)
    over = hive(
        "sessions.wait_for_session",
        made.session_id,
        until=models.WaitForSessionUntil.END,
        timeout=40,
    )
    assert (over.status, over.exit_code) == (models.SessionStatus.COMPLETED, 0)
    assert over.metadata.additional_properties == {"project": "clients"}

    assert "Hive Mind" in hive("logs.read_log", made.session_id)
    deep = site.output_dir(made.session_id) / "a b" / "c.bin"
    deep.parent.mkdir()
    deep.write_bytes(b"\0\xff")
    listed = hive("outputs.list_outputs", made.session_id)
    assert {file.path for file in listed.files} >= {"hive-summary.md", "a b/c.bin"}
    fetched = hive("outputs.download_output", made.session_id, "a b/c.bin")
    assert fetched.payload.read() == b"\0\xff"

    found = hive("sessions.list_sessions", status=models.ListSessionsStatus.COMPLETED)
    assert [session.session_id for session in found.sessions] == [made.session_id]
    refused = hive("access.list_audit_events")
    assert isinstance(refused, models.Problem)
    assert (refused.status, refused.code) == (403, "forbidden")
