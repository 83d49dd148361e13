"""The OpenAPI document is the code's, and complete: errors, examples, descriptions."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command

import hiveweb.guard  # its errors are among those that are walked
from sessions_app import errors
from sessions_app.api import (
    bulk_schemas,
    document,
    examples,
    log_schemas,
    nodes,
    overview,
    performance,
    requests,
    schemas,
    swarm_schemas,
    telemetry_schemas,
    webhook_schemas,
)
from sessions_app.projection import session_json
from tests.support import ROOT
from tests.unit.sessions import session

FILE = ROOT / "docs" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: {**operation, "path": path}
    for path, operations in DOCUMENT["paths"].items()
    for operation in operations.values()
}
#: The models of answers, by name.
ANSWERED = {
    **vars(schemas),
    **vars(telemetry_schemas),
    **vars(log_schemas),
    **vars(performance),
    **vars(nodes),
    **vars(overview),
    **vars(webhook_schemas),
    **vars(swarm_schemas),
    **vars(bulk_schemas),
}
ASKED = {**vars(requests), **vars(webhook_schemas)}
#: Told to no caller of the API: only in a session's detail, and on the command line.
ELSEWHERE = {errors.HiveError, errors.LaunchError}


def test_the_committed_document_is_the_codes() -> None:
    out = io.StringIO()
    call_command(
        "export_openapi_schema", api="sessions_app.api.app.api", indent=2, stdout=out, no_color=True
    )
    assert out.getvalue() == FILE.read_text(), "write it anew with: make openapi"


def test_it_says_what_it_is() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert {"title", "version", "summary", "description"} <= set(DOCUMENT["info"])
    assert DOCUMENT["info"]["version"] == document.VERSION
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"bearer", "session"}
    assert DOCUMENT["security"] == [{"bearer": []}, {"session": []}]
    assert {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]} == {
        tag for operation in OPERATIONS.values() for tag in operation["tags"]
    }


def references(value: Any) -> Iterator[str]:
    """Every ``$ref`` in a value."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(reference: str) -> Any:
    """What a ``$ref`` stands for."""
    found: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def test_references_lead_somewhere() -> None:
    assert all(resolve(reference) is not None for reference in references(DOCUMENT))


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_described_with_all_its_errors(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    answers = operation["responses"]
    expected = {"400", "401", "403", "408", "413", "429", "431", "500", "503"}
    if "{" in operation["path"]:
        expected |= {"404"}
    if "requestBody" in operation or any(p["in"] == "query" for p in operation["parameters"]):
        expected |= {"422"}
    assert expected <= set(answers)
    assert list(answers) == sorted(answers)
    for status, answer in answers.items():
        assert answer["description"]
        if status == "304":
            assert "content" not in answer
            continue
        ((kind, content),) = answer["content"].items()
        if int(status) < 400:
            assert "example" in content or kind in ("application/zip", "application/octet-stream")
            continue
        assert kind == "application/problem+json"
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        told = [resolve(example["$ref"])["value"] for example in content["examples"].values()]
        assert {problem["code"] for problem in told} == {*content["examples"]}
        for problem in told:
            schemas.Problem.model_validate(problem)
            assert str(problem["status"]) == status
            assert f"`{problem['code']}`: {problem['detail']}" in answer["description"]


def test_every_body_has_examples_that_are_taken() -> None:
    bodies = {name for name, operation in OPERATIONS.items() if "requestBody" in operation}
    assert set(examples.REQUESTS) == bodies
    for name in bodies:
        (content,) = OPERATIONS[name]["requestBody"]["content"].values()
        model = ASKED[model_of(content["schema"])]
        told = {title: example["value"] for title, example in content["examples"].items()}
        assert told == examples.REQUESTS[name]
        for value in told.values():
            model.model_validate(value)


def model_of(schema: dict[str, Any]) -> str:
    """The name of the model that a schema refers to, or first of all."""
    return next(references(schema)).rpartition("/")[2]


def test_examples_of_answers_are_as_described() -> None:
    assert set(OPERATIONS) - set(examples.ANSWERS) == {"download_outputs", "download_output"}
    for name, value in examples.ANSWERS.items():
        if isinstance(value, str):
            continue
        status = next(s for s in OPERATIONS[name]["responses"] if s.startswith("2"))
        content = OPERATIONS[name]["responses"][status]["content"]["application/json"]
        model = ANSWERED[model_of(content["schema"])]
        told = model.model_validate(value).model_dump(by_alias=True, mode="json")
        assert told == value, name
    whole = [*session_json(session()), "waiting"]
    for value in (examples.CREATED, examples.STARTING, examples.COMPLETED, examples.RETRIED):
        assert [*value] == whole


def subclasses(of: type[errors.HiveError]) -> Iterator[type[errors.HiveError]]:
    """All errors below one, itself included."""
    yield of
    for inner in of.__subclasses__():
        yield from subclasses(inner)


def test_every_code_is_listed_in_the_docs_and_in_the_document() -> None:
    # given the errors of the code, and the table in the docs
    home = (errors.__name__, hiveweb.guard.__name__, "hiveweb.cross_site")
    raised = {
        (error.http_status, error.code)
        for error in subclasses(errors.HiveError)
        if error.__module__ in home and error not in ELSEWHERE
    }
    known = {(status, code) for status, codes in document.PROBLEMS.items() for code in codes}
    page = (ROOT / "docs" / "api.md").read_text()
    listed = {(int(s), c) for s, c in re.findall(r"^\| (\d{3}) \| `([a-z_]+)` \|", page, re.M)}
    # then they agree
    assert raised <= known
    assert listed == known
    told = {
        (int(status), code)
        for operation in OPERATIONS.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for code in answer["content"]["application/problem+json"]["examples"]
    }
    assert known - told == {(405, "method_not_allowed")}
