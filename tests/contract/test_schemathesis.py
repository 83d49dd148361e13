"""The whole OpenAPI document, tried out by schemathesis as everybody who may come.

Values are made from the document, right and wrong ones. No answer is a mistake of ours (5xx), none
is missing in the document, and none tells of a session that is somebody else's. Nothing is left
out: what would wait is made to wait for nothing, what streams is read for a moment, and what
cleans up does so here, in an installation of its own.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, repeat
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case as AnyCase
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sessions_app.api.app import api
from tests.integration.api_client import API, ended, fetch
from tests.integration.browsing import token
from tests.support import SAMPLE, Installation, Server, installation

Case = AnyCase[Any]
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = schemathesis.openapi.from_dict(json.loads(json.dumps(api.get_openapi_schema())))
OPERATIONS: dict[str, APIOperation[Any, Any, Any, Any]] = {}
for found in DOCUMENT.get_all_operations():
    assert isinstance(found, Ok), found
    OPERATIONS[found.ok().definition.raw["operationId"]] = found.ok()
ROLES = ("anonymous", "viewer", "operator", "administrator")
#: What the hidden session carries, each in another place.
MARKS = {
    place: f"hidden{place}{number}"
    for number, place in enumerate(
        ("task", "metadata", "args", "log", "file", "content", "owner"), start=7041
    )
}
#: Query parameters that say how long (s) to wait for something.
WAITS = ("timeout", "wait")
#: What each run leaves as output.
FILE = "hive-summary.md"
#: Seconds for which a stream is listened to.
LISTEN = 0.4


@dataclass(frozen=True)
class World:
    """An installation in which sessions are private, with people and sessions in it."""

    server: Server
    people: dict[str, dict[str, str]]
    hidden: str
    webhook: str
    open: requests.Session


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """It carries few runs at once, each of which is over at once."""
    command = [*SAMPLE, "--exit", "--seconds", "0", "--files", "1", "--no-db"]
    with (
        installation(
            tmp_path_factory.mktemp("world") / "site",
            HIVE_PRIVATE_SESSIONS="on",
            HIVE_SLOTS="2",
            HIVE_COMMAND=json.dumps(command),
            HIVE_WEBHOOK_NETWORKS="127.0.0.0/8",
        ) as site,
        requests.Session() as connections,
    ):
        server = site.up()
        people = {role: token(site, f"the-{role}", role) for role in ROLES[1:]}
        people["anonymous"] = {}
        people["owner"] = token(site, MARKS["owner"], "operator")
        hidden = _hidden(server, site, people["owner"])
        body = {"url": "http://127.0.0.1:9009/", "events": ["pinned"]}  # nobody listens there
        webhook = fetch(server, "POST", f"{API}/webhooks", body).json["id"]
        yield World(server, people, hidden, webhook, connections)


def _hidden(server: Server, site: Installation, owner: dict[str, str]) -> str:
    """The session that nobody but its owner and administrators may hear of."""
    body = {
        "task": f"a task with {MARKS['task']}",
        "metadata": {"key": MARKS["metadata"], MARKS["metadata"]: [1]},
        "args": ["--note", MARKS["args"]],
        "start": True,
    }
    made = fetch(server, "POST", f"{API}/sessions", body, owner)
    session_id = str(made.json["session_id"])
    ended(server, session_id)
    fetch(server, "PATCH", f"{API}/sessions/{session_id}", {"pinned": True}, owner)
    with site.log(session_id).open("a") as log:
        log.write(f"{MARKS['log']}\n")
    (site.output_dir(session_id) / f"{MARKS['file']}.txt").write_text(MARKS["content"])
    return session_id


@pytest.fixture
def examples(request: pytest.FixtureRequest) -> int:
    """How many requests each operation gets from each role."""
    return 200 if request.config.getoption("--run-long") else 8


def _places(world: World, role: str) -> Iterator[tuple[str, str]]:
    """Again and again: a session's id and a file's path to put into an address, if any."""
    who = world.people[role if role in ("operator", "administrator") else "owner"]
    waiting, over = (
        str(
            fetch(world.server, "POST", f"{API}/sessions", {"task": "x", "start": start}, who).json[
                "session_id"
            ]
        )
        for start in (False, True)
    )
    ended(world.server, over)
    hidden = (world.hidden, f"{MARKS['file']}.txt")
    if role == "administrator":  # who may change everything, and would spoil it for the others
        hidden = (str(uuid.uuid4()), "x")
    return cycle([(over, FILE), hidden, (waiting, FILE), ("", "")])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("role", ROLES)
def test_the_document_holds_whoever_asks_and_nothing_leaks(
    world: World, role: str, name: str, examples: int
) -> None:
    operation = OPERATIONS[name]
    places = _places(world, role) if "{session_id}" in operation.path else repeat(("", ""))
    seen: Counter[int] = Counter()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=_cases(operation))
    def attempt(case: Case) -> None:
        for parameter, value in zip(("session_id", "path"), next(places), strict=True):
            if value and parameter in (case.path_parameters or {}):
                case.path_parameters[parameter] = value
        if "webhook_id" in (case.path_parameters or {}) and name != "remove_webhook":
            case.path_parameters["webhook_id"] = world.webhook
        _hurry(case)
        response = _send(world, case, world.people[role])
        case.validate_response(response, checks=_checks(response))
        seen[response.status_code] += 1
        if role == "anonymous":
            assert response.status_code == 401, response.text
        if role != "administrator":
            _tells_nothing(world, response)

    attempt()
    assert sum(seen.values()) >= min(examples, 1), "nothing was asked"


def _checks(response: requests.Response) -> list[Any]:
    """An event stream's schema is that of its whole text; schemathesis looks at each event."""
    stream = response.headers.get("Content-Type", "").startswith("text/event-stream")
    return [check for check in CHECKS if not (stream and check is response_schema_conformance)]


def _cases(operation: APIOperation[Any, Any, Any, Any]) -> st.SearchStrategy[Case]:
    """Requests as they should be, and such with something wrong in them."""
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not (operation.path_parameters or operation.query or operation.body):
        return right
    return st.one_of(right, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))


def _hurry(case: Case) -> None:
    """Have it wait for nothing, where it asks to wait in a way that is understood."""
    for name in WAITS:
        value = (case.query or {}).get(name)
        with suppress(TypeError, ValueError):
            if value is not None and float(value) > 0:
                case.query[name] = 0
    if case.operation.path.endswith("/wait"):
        case.query.setdefault("timeout", 0)  # its default is half a minute


def _send(world: World, case: Case, who: dict[str, str]) -> requests.Response:
    """The answer; of a stream, what comes in a moment."""
    for headers in (case.headers, case.cookies):
        for name in [name for name in headers or {} if name.lower() == "authorization"]:
            del headers[name]
    kwargs = case.as_transport_kwargs(base_url=world.server.url)
    kwargs["headers"] = {**kwargs.get("headers", {}), **who}
    kwargs.update(stream=True, allow_redirects=False, timeout=30)
    response = world.open.request(**kwargs)
    if response.headers.get("Content-Type", "").startswith("text/event-stream"):
        response._content = _begun(response)  # what requests keeps of a body it has read
        response._content_consumed = True
        response.close()
    return response


def _begun(response: requests.Response) -> bytes:
    connection = response.raw.connection or response.raw._connection
    connection.sock.settimeout(LISTEN)
    heard = b""
    with suppress(requests.exceptions.RequestException, OSError, Exception):
        while chunk := response.raw.read1(65536):
            heard += chunk
    return heard


def _tells_nothing(world: World, response: requests.Response) -> None:
    sent = response.request
    said = f"{sent.url} {sent.body!r} {sent.headers}"
    heard = f"{response.headers} {response.text}"
    for place, mark in MARKS.items():
        assert mark in said or mark not in heard, f"the {place} of a hidden session"
    if world.hidden not in said:
        assert world.hidden not in heard, "the id of a hidden session"


def test_the_owner_and_the_administrator_are_told(world: World) -> None:
    """What the test above looks for can be found: by those who may."""
    base = f"{API}/sessions/{world.hidden}"
    for role in ("owner", "administrator"):
        heard = b"".join(
            fetch(world.server, "GET", path, headers=world.people[role]).body
            for path in (
                base,
                f"{base}/log",
                f"{base}/outputs",
                f"{base}/outputs/{MARKS['file']}.txt",
            )
        )
        assert [place for place, mark in MARKS.items() if mark.encode() not in heard] == []
