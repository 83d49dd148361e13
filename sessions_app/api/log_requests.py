"""What the API of logs takes: query strings."""

from typing import Literal

from ninja import Schema
from pydantic import Field

from sessions_app import log_places


class ReadLog(Schema):
    """Which part of the log."""

    offset: int | None = Field(None, ge=0, le=2**63 - 1, description="First byte.")
    limit: int | None = Field(None, ge=0, le=2**63 - 1, description="At most so many bytes.")
    tail: int | None = Field(None, ge=0, le=1_000_000, description="The last so many lines.")
    download: bool = Field(False, description="Have a browser save it as a file.")
    cleaned: bool = Field(
        False, description="As text without escape sequences; of a line drawn over, the last."
    )


class LocateLog(Schema):
    """Which place; exactly one of `line`, `time` and `offset`."""

    line: int | None = Field(None, ge=1, le=2**63 - 1, description="A line's number, from 1.")
    time: str | None = Field(
        None,
        max_length=40,
        description="The line that arrived then or next: RFC 3339.",
        json_schema_extra={"format": "date-time"},
    )
    offset: int | None = Field(None, ge=0, le=2**63 - 1, description="The line of this byte.")
    span: int = Field(
        0,
        ge=0,
        le=log_places.MAX_SPAN,
        description="Tell times of arrival (`marks`) in so many bytes from there on.",
    )


class SearchLog(Schema):
    """What to look for, and where."""

    text: str = Field(
        min_length=1, max_length=1000, description="Letter by letter; a part of one line."
    )
    begin: int | None = Field(
        None,
        alias="from",
        ge=0,
        le=2**63 - 1,
        description="Hits begin at this byte or later; backward, before it. The log's begin or "
        "end if left out.",
    )
    direction: Literal["forward", "backward"] = "forward"
    limit: int = Field(20, ge=0, le=1000, description="At most so many hits.")
    ignore_case: bool = Field(False, description="For the letters A to Z.")
    count: bool = Field(False, description="Forward: count the other hits, too.")


class StreamLog(Schema):
    """Where to begin; ``Last-Event-ID`` goes before both."""

    offset: int | None = Field(None, ge=0, le=2**63 - 1, description="First byte.")
    tail: int | None = Field(None, ge=0, le=1_000_000, description="The last so many lines.")
