"""What the API gives for an action on many sessions, as OpenAPI describes it."""

from typing import Literal

from ninja import Schema
from pydantic import Field


class BulkResult(Schema):
    """What became of one session."""

    session_id: str
    outcome: Literal["done", "would", "skipped", "failed"]
    detail: str = Field(description="what is done to it, or why not")
    title: str = Field(description="the first line of its task; empty when there is no session")
    status: str
    new: str | None = Field(description="the session that `retry` has made")


class BulkCounts(Schema):
    """How many of each outcome."""

    done: int
    would: int = Field(description="with `dry_run`")
    skipped: int
    failed: int


class BulkDone(Schema):
    """What was done to each session, or with `dry_run` would be."""

    action: str
    dry_run: bool
    more: bool = Field(description="there are more sessions that fit the filter")
    counts: BulkCounts
    results: list[BulkResult]


_ID = "0b8f3a52-6a0e-4a7c-9d0b-3a4f5c6d7e8f"
#: Requests, each with what it is for.
REQUESTS = {
    "What would be stopped": {"action": "stop", "filter": {"meta": ["team=web"]}, "dry_run": True},
    "Some are tried again": {"action": "retry", "ids": [_ID]},
}
ANSWER = {
    "action": "stop",
    "dry_run": True,
    "more": False,
    "counts": {"done": 0, "would": 1, "skipped": 0, "failed": 0},
    "results": [
        {
            "session_id": _ID,
            "outcome": "would",
            "detail": "its processes are ended",
            "title": "Build a web scraper in Python",
            "status": "running",
            "new": None,
        }
    ],
}
