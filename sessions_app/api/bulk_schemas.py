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
