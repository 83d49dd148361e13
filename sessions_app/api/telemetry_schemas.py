"""What the API gives of a session's telemetry, as OpenAPI describes it. Null: not known."""

from typing import Any, Literal

from ninja import Schema
from pydantic import Field

from sessions_app.api.schemas import Word


class Disk(Schema):
    """Bytes of disk."""

    working_dir: int | None = Field(description="with the database in it")
    database: int | None = Field(description="memory.db and its write-ahead log")
    log: int | None
    output: int | None


class ResourcesNow(Schema):
    """What the whole process tree uses now, or used when it was last looked at."""

    at: str
    cpu_seconds: float = Field(description="so far")
    cpu_percent: float | None = Field(description="of one processor; more than 100 with several")
    memory_bytes: int | None
    memory_kind: Literal["pss", "rss"] = Field(
        description="pss: what processes share counts in proportion; rss: for each of them"
    )
    processes: int | None
    threads: int | None
    open_files: int | None
    read_bytes: int | None = Field(description="from storage, so far")
    written_bytes: int | None = Field(description="to storage, so far")
    disk: Disk


class ResourcesPeak(Schema):
    """The most at one moment."""

    cpu_percent: float | None
    memory_bytes: int | None
    processes: int | None
    threads: int | None
    open_files: int | None
    disk_bytes: int | None


class ResourcesTotal(Schema):
    """All of its life."""

    cpu_seconds: float | None
    read_bytes: int | None
    written_bytes: int | None
    run_seconds: float | None = Field(description="without pauses")


class ResourcesSeries(Schema):
    """Lists of the same length: one value for each moment in `at`."""

    step: float = Field(description="seconds between two moments, as a rule; 0: not sampled")
    at: list[float] = Field(description="ends of the steps, in seconds since the epoch")
    cpu_percent: list[float | None] = Field(description="of one processor, on average")
    memory_bytes: list[int | None] = Field(description="the most within the step")
    processes: list[int | None] = Field(description="the most within the step")
    read_rate: list[float | None] = Field(description="bytes a second")
    written_rate: list[float | None] = Field(description="bytes a second")
    log_rate: list[float | None] = Field(description="bytes a second")
    disk_bytes: list[int | None] = Field(description="the most within the step")


class Resources(Schema):
    """What the process tree uses and has used."""

    now: ResourcesNow | None = Field(description="null before it runs and once it has ended")
    peak: ResourcesPeak
    total: ResourcesTotal
    series: ResourcesSeries


class Tokens(Schema):
    """Tokens of the model, as the output counts them."""

    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None


class ErrorLine(Schema):
    """A line of the log that looks like an error."""

    offset: int
    line: int | None
    text: str


class Tool(Schema):
    """The tool that was called last."""

    name: str
    detail: str
    offset: int | None


class Result(Schema):
    """What the run said at its end."""

    is_error: bool
    text: str
    turns: int | None
    duration_ms: int | None
    cost_usd: float | None


class Activity(Schema):
    """What its output says."""

    lines: int | None = None
    bytes: int | None = None
    lines_per_second: float | None = None
    bytes_per_second: float | None = None
    last_line: str | None = None
    last_output: str | None = Field(None, description="when it last wrote something")
    error_lines: int | None = Field(None, description="how many look like errors")
    errors: list[ErrorLine] = Field([], description="the newest of them")
    turns: int | None = None
    tokens: Tokens | None = None
    cost_usd: float | None = None
    model: str | None = None
    current: str | None = Field(None, description="what it does now, in words")
    last_tool: Tool | None = None
    result: Result | None = None
    complete: bool = Field(
        True, description="false: parts of the log were passed over, counts are lower bounds"
    )


class Metrics(Schema):
    """What is measured of a session."""

    session_id: str
    status: Word
    sampled_every: float | None = Field(description="seconds; null: sampling is off")
    resources: Resources
    activity: Activity


class RunningProcess(Schema):
    """One process of a session."""

    pid: int
    parent: int | None = Field(description="null: its parent is none of the session's")
    depth: int
    name: str
    command: str = Field(description="the command line, known secrets covered, cut")
    state: str = Field(description="as proc(5) has it: R, S, D, T, ...", examples=["S"])
    started: str
    cpu_seconds: float
    cpu_percent: float | None = Field(description="since the look before; null at the first one")
    memory_bytes: int = Field(description="resident")
    threads: int


class Processes(Schema):
    """The processes of a session, parents before their children."""

    processes: list[RunningProcess]


#: Examples for the description, by operation.
EXAMPLES: dict[str, Any] = {
    "get_metrics": {
        "session_id": "0b8f3a52-6a0e-4a7c-9d0b-3a4f5c6d7e8f",
        "status": "running",
        "sampled_every": 5.0,
        "resources": {
            "now": {
                "at": "2026-11-22T21:05:01+00:00",
                "cpu_seconds": 48.21,
                "cpu_percent": 31.4,
                "memory_bytes": 402_653_184,
                "memory_kind": "pss",
                "processes": 4,
                "threads": 37,
                "open_files": 112,
                "read_bytes": 18_350_080,
                "written_bytes": 5_242_880,
                "disk": {
                    "working_dir": 4_210_688,
                    "database": 98_304,
                    "log": 120_332,
                    "output": 52_224,
                },
            },
            "peak": {
                "cpu_percent": 143.0,
                "memory_bytes": 455_081_984,
                "processes": 9,
                "threads": 61,
                "open_files": 158,
                "disk_bytes": 4_383_244,
            },
            "total": {
                "cpu_seconds": 48.21,
                "read_bytes": 18_350_080,
                "written_bytes": 5_242_880,
                "run_seconds": 300.4,
            },
            "series": {
                "step": 150.0,
                "at": [1_795_381_351.0, 1_795_381_501.0],
                "cpu_percent": [12.5, 19.6],
                "memory_bytes": [455_081_984, 402_653_184],
                "processes": [9, 4],
                "read_rate": [122_333.87, 0.0],
                "written_rate": [20_971.52, 13_981.01],
                "log_rate": [410.2, 392.0],
                "disk_bytes": [3_211_264, 4_383_244],
            },
        },
        "activity": {
            "lines": 312,
            "bytes": 120_332,
            "lines_per_second": 1.2,
            "bytes_per_second": 410.2,
            "last_line": '{"type":"assistant","message":{...}}',
            "last_output": "2026-11-22T21:05:00+00:00",
            "error_lines": 1,
            "errors": [{"offset": 81_220, "line": 201, "text": "error: no such table: pages"}],
            "turns": 12,
            "tokens": {"input": 210, "output": 9_120, "cache_read": 81_000, "cache_write": 4_100},
            "cost_usd": 0.41,
            "model": "claude-sonnet",
            "current": "runs Bash: cargo test",
            "last_tool": {"name": "Bash", "detail": "cargo test", "offset": 119_020},
            "result": None,
            "complete": True,
        },
    },
    "get_processes": {
        "processes": [
            {
                "pid": 4711,
                "parent": None,
                "depth": 0,
                "name": "node",
                "command": "node claude-flow hive-mind spawn Build a web scraper in Python",
                "state": "S",
                "started": "2026-11-22T21:00:01+00:00",
                "cpu_seconds": 2.31,
                "cpu_percent": 0.4,
                "memory_bytes": 91_226_112,
                "threads": 11,
            }
        ]
    },
}
