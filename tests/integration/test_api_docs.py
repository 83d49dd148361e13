"""The API's description: complete, stable, and shown without the help of other hosts."""

import json
import re
from typing import Any

from tests.integration.api_client import API, create, fetch, run
from tests.support import ROOT, Server

#: Generated clients are built on these.
OPERATIONS = {
    "create_session": ("post", "/sessions"),
    "list_sessions": ("get", "/sessions"),
    "get_session": ("get", "/sessions/{session_id}"),
    "get_status": ("get", "/sessions/{session_id}/status"),
    "start_session": ("post", "/sessions/{session_id}/start"),
    "update_session": ("patch", "/sessions/{session_id}"),
    "pause_session": ("post", "/sessions/{session_id}/pause"),
    "resume_session": ("post", "/sessions/{session_id}/resume"),
    "stop_session": ("post", "/sessions/{session_id}/stop"),
    "retry_session": ("post", "/sessions/{session_id}/retry"),
    "report_outcome": ("post", "/sessions/{session_id}/report"),
    "wait_for_session": ("get", "/sessions/{session_id}/wait"),
    "locate_log": ("get", "/sessions/{session_id}/log/position"),
    "search_log": ("get", "/sessions/{session_id}/log/search"),
    "read_log": ("get", "/sessions/{session_id}/log"),
    "stream_log": ("get", "/sessions/{session_id}/log/stream"),
    "follow_events": ("get", "/events"),
    "list_outputs": ("get", "/sessions/{session_id}/outputs"),
    "download_outputs": ("get", "/sessions/{session_id}/outputs.zip"),
    "download_output": ("get", "/sessions/{session_id}/outputs/{path}"),
    "get_metrics": ("get", "/sessions/{session_id}/metrics"),
    "get_processes": ("get", "/sessions/{session_id}/processes"),
    "get_performance": ("get", "/performance"),
    "get_swarm": ("get", "/sessions/{session_id}/swarm"),
    "list_swarms": ("get", "/swarms"),
    "get_overview": ("get", "/overview"),
    "get_queue": ("get", "/queue"),
    "lift_hold": ("delete", "/holds/{profile}"),
    "get_registry": ("get", "/registry"),
    "cleanup_sessions": ("post", "/cleanup"),
    "bulk_sessions": ("post", "/sessions/bulk"),
    "get_me": ("get", "/me"),
    "list_audit_events": ("get", "/audit"),
    "list_nodes": ("get", "/nodes"),
    "drain_node": ("post", "/nodes/{name}/drain"),
    "uncordon_node": ("post", "/nodes/{name}/uncordon"),
    "forget_node": ("post", "/nodes/{name}/forget"),
    "create_webhook": ("post", "/webhooks"),
    "list_webhooks": ("get", "/webhooks"),
    "get_webhook": ("get", "/webhooks/{webhook_id}"),
    "update_webhook": ("patch", "/webhooks/{webhook_id}"),
    "remove_webhook": ("delete", "/webhooks/{webhook_id}"),
    "rotate_webhook": ("post", "/webhooks/{webhook_id}/rotate"),
    "test_webhook": ("post", "/webhooks/{webhook_id}/test"),
    "list_deliveries": ("get", "/webhooks/{webhook_id}/deliveries"),
    "replay_delivery": ("post", "/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"),
    "replay_failed_deliveries": ("post", "/webhooks/{webhook_id}/replay"),
}

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def test_the_document_is_the_one_in_docs_and_operations_keep_their_ids(
    shared_server: Server,
) -> None:
    document = fetch(shared_server, "GET", f"{API}/openapi.json").json
    found = {
        operation["operationId"]: (method, path.removeprefix(API), operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert {name: where[:2] for name, where in found.items()} == OPERATIONS
    assert document == json.loads((ROOT / "docs" / "openapi.json").read_text())


def test_the_docs_page_needs_no_other_host(shared_server: Server) -> None:
    page = fetch(shared_server, "GET", f"{API}/docs")
    assert page.status == 200
    html = page.body.decode()
    assert not re.search(r"(?:https?:)?//[a-z]", html)
    assert '"validatorUrl": null' in html
    assets = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(assets) >= 3
    for asset in assets:
        assert fetch(shared_server, "GET", asset).status == 200, asset
    assert fetch(shared_server, "GET", f"{API}/openapi.json").status == 200


def _conforms(value: Any, schema: dict[str, Any], known: dict[str, Any], where: str) -> None:
    """Check a value against what the document says, allowing nothing that is not said."""
    if "$ref" in schema:
        _conforms(value, known[schema["$ref"].rpartition("/")[2]], known, where)
    elif "anyOf" in schema:
        _conforms_to_one(value, schema["anyOf"], known, where)
    elif "properties" in schema:
        assert isinstance(value, dict), where
        required = set(schema.get("required", ()))
        assert required <= set(value) <= set(schema["properties"]), where
        for name in value:
            _conforms(value[name], schema["properties"][name], known, f"{where}.{name}")
    elif schema["type"] == "array":
        assert isinstance(value, list), where
        for item in value:
            _conforms(item, schema["items"], known, f"{where}[]")
    else:
        kind = type(value)  # exactly: a bool is no integer here
        assert kind in TYPES[schema["type"]], (where, value)
        assert value in schema.get("enum", [value]), (where, value)
        entries = schema.get("additionalProperties")
        if isinstance(entries, dict):
            for name, entry in value.items():
                _conforms(entry, entries, known, f"{where}.{name}")


def _conforms_to_one(
    value: Any, schemas: list[dict[str, Any]], known: dict[str, Any], where: str
) -> None:
    wrong = []
    for schema in schemas:
        try:
            _conforms(value, schema, known, where)
        except AssertionError as error:
            wrong.append(error)
    assert len(wrong) < len(schemas), (where, wrong)


def test_answers_are_as_described(shared_server: Server) -> None:
    document = fetch(shared_server, "GET", f"{API}/openapi.json").json
    create(shared_server, metadata={"k": [1, None]})
    session_id = run(shared_server, "--exit", "--seconds", "0")["session_id"]
    fetch(shared_server, "GET", f"{API}/sessions/{session_id}/wait?until=end&timeout=40")
    asked = [
        (200, "get", "/sessions", None),
        (200, "get", "/sessions/{session_id}", None),
        (200, "get", "/sessions/{session_id}?fields=task,limits", None),
        (200, "get", "/sessions?fields=status", None),
        (200, "get", "/sessions/{session_id}/status", None),
        (200, "get", "/sessions/{session_id}/wait", None),
        (200, "get", "/sessions/{session_id}/outputs", None),
        (202, "post", "/sessions/{session_id}/stop", None),
        (409, "post", "/sessions/{session_id}/start", None),
        (200, "get", "/registry", None),
        (201, "post", "/sessions", {"task": "x", "start": True}),
        (200, "post", "/cleanup", {"hours": 0, "dry_run": True}),
        (200, "post", "/sessions/bulk", {"action": "stop", "filter": {}, "dry_run": True}),
    ]
    for status, method, path, body in asked:
        url = API + path.replace("{session_id}", session_id)
        answer = fetch(shared_server, method.upper(), url + "?timeout=0" * ("wait" in path), body)
        assert answer.status == status, answer
        operation = document["paths"][API + path.partition("?")[0]][method]
        described = operation["responses"][str(status)]["content"]
        schema = described[answer.headers["content-type"]]["schema"]
        if status < 400:  # a problem's errors may be missing
            _conforms(answer.json, schema, document["components"]["schemas"], path)
