"""What the API says of places in logs and of what is found there, as OpenAPI describes it."""

from typing import Any

from ninja import Schema
from pydantic import Field


class Mark(Schema):
    """When the log had reached a byte."""

    offset: int
    time: str = Field(
        description="RFC 3339 with milliseconds; good to about a second.",
        json_schema_extra={"format": "date-time"},
    )


class Removed(Schema):
    """Bytes that the log's limit has removed."""

    begin: int
    end: int


class Place(Schema):
    """The begin of a line."""

    offset: int = Field(description="The line's first byte.")
    line: int | None = Field(description="Its number, from 1; null where it cannot be counted.")
    time: str | None = Field(
        description="When it arrived, about, with milliseconds: between two entries of the log's "
        "index; null where nobody noted it.",
        json_schema_extra={"format": "date-time"},
    )
    size: int = Field(description="Bytes in the log now.")
    lines: int | None = Field(description="Lines in the log now; null where that takes too long.")
    removed: Removed | None
    marks: list[Mark] = Field(description="With `span`: times of arrival from there on.")


class Hit(Schema):
    """A place where the text stands."""

    offset: int = Field(description="The hit's first byte.")
    length: int = Field(description="Bytes.")
    line: int | None = Field(description="The line's number; null where it cannot be counted.")
    before: str = Field(description="The line before it, as far as there is room; masked.")
    match: str
    after: str = Field(description="The line after it, as far as there is room; masked.")


class Search(Schema):
    """What was found."""

    hits: list[Hit] = Field(description="In the order of the search.")
    next: int | None = Field(description="`from` for the next page; null where nothing is left.")
    count: int | None = Field(description="With `count`: all hits from there on, up to 100,000.")
    complete: bool = Field(description="Whether all of the log in this direction was looked at.")
    size: int = Field(description="Bytes in the log now.")


EXAMPLES: dict[str, Any] = {
    "locate_log": {
        "offset": 81_220,
        "line": 201,
        "time": "2026-11-22T21:04:12.250+00:00",
        "size": 120_332,
        "lines": 312,
        "removed": None,
        "marks": [],
    },
    "search_log": {
        "hits": [
            {
                "offset": 81_227,
                "length": 7,
                "line": 201,
                "before": "error: ",
                "match": "no such",
                "after": " table: pages",
            }
        ],
        "next": None,
        "count": None,
        "complete": True,
        "size": 120_332,
    },
}
