"""The OpenAPI document: what Ninja says of the operations, and what only we know of them.

docs/openapi.json is a copy of it (``make openapi``); docs/api.md says what may change in it.
"""

import re
from copy import deepcopy
from typing import Any

from sessions_app import problems
from sessions_app.api import examples

#: The version of the contract: the first number is that of the path, the second grows with each
#: addition.
VERSION = "1.0"
DESCRIPTION = """\
Sessions of hive-mind runs: create, start, watch, collect, clean up.

Every error is a problem document (RFC 9457) with a `code` for programs. A method that an address
does not have is 405, and an address that is none is 404. HEAD answers as GET, without the body.
A field we do not know in a body is refused. Answers may get new fields, and events new kinds, at
any time: ignore those you do not know. docs/api.md has the rules, and the rest.
"""
TAGS = {
    "sessions": "Create, find, start, stop, wait; clean up.",
    "control": "Pause, resume, retry, report; the queue and its holds.",
    "events": "What happens to sessions, as it happens.",
    "logs": "Logs are bytes at offsets: read parts of them, or follow them.",
    "outputs": "What a run left: listed, file by file, or all at once.",
    "telemetry": "What sessions use and do, measured.",
    "hosts": "The machines that run sessions. For administrators.",
    "access": "Who you are, and who did what.",
    "webhooks": "Other services are told of events, by signed requests. For administrators.",
}
SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token: of `hive token create`, HIVE_TOKEN, or a run's own "
        "HIVE_MIND_TOKEN, which is good for the report of that run only.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "hive_INSTALLATION",
        "description": "A browser that is signed in; the name ends in what is the installation's "
        "own. What changes something also needs `Origin`, `Sec-Fetch-Site` or `Referer` of a page "
        "of ours.",
    },
}
#: Every code that an answer can have, by status, and when; docs/api.md has the same table.
PROBLEMS: dict[int, dict[str, str]] = {
    400: {
        "invalid": "The body is not JSON.",
        "bad_host": "The `Host` header is none of this server's.",
    },
    401: {"unauthorized": "The token or the browser's cookie is missing, wrong or revoked."},
    403: {
        "forbidden": "Your role does not allow it, or the server may not read the file.",
        "cross_origin": "Another site's page asked.",
    },
    404: {
        "not_found": "There is none, the id is malformed, or it is not yours to see.",
        "file_not_found": "The session has no such file.",
    },
    405: {"method_not_allowed": "`Allow` names the right methods."},
    408: {"too_slow": "The request did not come in time."},
    409: {"conflict": "The session's state does not allow it."},
    412: {"precondition_failed": "The session has changed since you read it."},
    413: {"too_large": "The body is larger than 1 MiB."},
    416: {"range_not_satisfiable": "`Content-Range` says how long it is."},
    422: {
        "invalid": "A value cannot be taken; `errors` says which.",
        "idempotency_key_reused": "The `Idempotency-Key` was used for another request.",
    },
    429: {"too_many_requests": "Wait for `Retry-After` seconds."},
    431: {"invalid": "The headers are larger than 16 KiB, or more than 100 lines."},
    500: {"internal": "Our mistake; the server's log says more."},
    503: {
        "unavailable": "Not possible now; try again after `Retry-After` seconds.",
        "host_unavailable": "The session's files are on another host, which is away.",
    },
}
#: Codes that only these operations answer with.
_ONLY = {
    "file_not_found": ("read_log", "stream_log", "search_log", "download_output"),
    "host_unavailable": (
        *("read_log", "stream_log", "locate_log", "search_log"),
        *("list_outputs", "download_outputs", "download_output"),
        *("get_metrics", "get_processes", "get_swarm"),
    ),
    "idempotency_key_reused": (
        *("create_session", "start_session", "retry_session", "create_webhook"),
    ),
}
_HEADERS = {
    401: {"WWW-Authenticate": ("string", "how to say who you are")},
    416: {"Content-Range": ("string", "`bytes */SIZE`")},
    429: {"Retry-After": ("integer", "seconds")},
    503: {"Retry-After": ("integer", "seconds")},
}
_SOME = {
    "title": "SomeOfASession",
    "description": "The fields of a session that `fields` asked for.",
}


def complete(schema: dict[str, Any]) -> dict[str, Any]:
    """The document, given what Ninja makes of the routes."""
    schema["info"] = {
        "title": "hiveweb",
        "version": VERSION,
        "summary": "Session manager for hive-mind agent runs",
        "description": DESCRIPTION,
    }
    schema["servers"] = [{"url": "/", "description": "where this document was found"}]
    schema["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    schema["security"] = [{name: []} for name in SECURITY]
    components = schema["components"]
    components["securitySchemes"] = SECURITY
    components["examples"] = _problem_examples()
    _name_as_sent(components["schemas"])
    _allow_fields(components["schemas"], schema["paths"])
    for operations in schema["paths"].values():
        for operation in operations.values():
            _complete_operation(operation)
    found: dict[str, Any] = _plain(schema)
    return found


def _complete_operation(operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _given(parameter["schema"])
    if name in examples.REQUESTS:
        (content,) = operation["requestBody"]["content"].values()
        content["examples"] = {
            title: {"value": value} for title, value in examples.REQUESTS[name].items()
        }
    operation["responses"] = dict(sorted(operation["responses"].items(), key=lambda r: int(r[0])))
    for key, response in operation["responses"].items():
        status = int(key)
        if status in PROBLEMS:
            operation["responses"][key] = _problem(name, status, response)
        elif status < 300 and name in examples.ANSWERS:
            for content in response["content"].values():
                content["example"] = examples.ANSWERS[name]


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema. One that may be left out is never null: there is no null in a URL."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**kinds[0], **rest}


def _problem(operation: str, status: int, response: dict[str, Any]) -> dict[str, Any]:
    codes = {
        code: when
        for code, when in PROBLEMS[status].items()
        if operation in _ONLY.get(code, (operation,))
    }
    (content,) = response["content"].values()
    told = {code: {"$ref": f"#/components/examples/{_example(status, code)}"} for code in codes}
    found = {
        "description": " ".join(f"`{code}`: {when}" for code, when in codes.items()),
        "content": {problems.CONTENT_TYPE: {**content, "examples": told}},
    }
    if status in _HEADERS:
        found["headers"] = {
            name: {"description": text, "schema": {"type": kind}}
            for name, (kind, text) in _HEADERS[status].items()
        }
    return found


def _example(status: int, code: str) -> str:
    return f"{code}_{status}" if code == "invalid" else code


def _problem_examples() -> dict[str, Any]:
    return {
        _example(status, code): {"value": problems.document(status, code, when)}
        for status, codes in PROBLEMS.items()
        for code, when in codes.items()
    }


def _name_as_sent(schemas: dict[str, Any]) -> None:
    """A field whose name is a word of Python's, ``from_``, is sent without the underscore."""
    for found in schemas.values():
        if fields := found.get("properties"):
            found["properties"] = {name.rstrip("_"): field for name, field in fields.items()}
            found["required"] = [name.rstrip("_") for name in found.get("required", [])]
            if not found["required"]:
                del found["required"]


def _allow_fields(schemas: dict[str, Any], paths: dict[str, Any]) -> None:
    """With ``fields``, get and list answer with some of a session."""
    some = deepcopy(schemas["Session"])
    del some["required"]
    schemas[_SOME["title"]] = {**some, **_SOME, "additionalProperties": False}
    either = {
        "anyOf": [
            {"$ref": "#/components/schemas/Session"},
            {"$ref": f"#/components/schemas/{_SOME['title']}"},
        ]
    }
    schemas["Sessions"]["properties"]["sessions"]["items"] = either
    for operations in paths.values():
        for operation in operations.values():
            if operation["operationId"] == "get_session":
                operation["responses"][200]["content"]["application/json"]["schema"] = either


def _plain(value: Any) -> Any:
    """The same in JSON's own types, with code in texts marked as Markdown does."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return re.sub(r"``(.+?)``", r"`\1`", value) if isinstance(value, str) else value
