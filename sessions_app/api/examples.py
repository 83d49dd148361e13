"""Examples for the API's description: a body for each request, and the main answers."""

from typing import Any

from sessions_app.api import (
    bulk_schemas,
    log_schemas,
    nodes,
    overview,
    performance,
    telemetry_schemas,
    webhook_examples,
)

_ID = "0b8f3a52-6a0e-4a7c-9d0b-3a4f5c6d7e8f"
_SWARM = "swarm-1795651543251-hv6l2v2jq"
_WORK = "/workspace/.swarm/sessions"
#: A session that has been created and waits for its start.
CREATED: dict[str, Any] = {
    "session_id": _ID,
    "task": "Build a web scraper in Python",
    "priority": "high",
    "created": "2026-11-22T20:59:46+00:00",
    "updated": "2026-11-22T20:59:46+00:00",
    "status": "created",
    "working_dir": f"{_WORK}/{_ID}",
    "output_dir": f"/workspace/ext/hive-sessions/{_ID}",
    "database": f"{_WORK}/{_ID}/.swarm/memory.db",
    "log_file": f"/var/log/multi-agent/hive-{_ID}.log",
    "metadata": {"requester": "api"},
    "owner": "token:rust",
    "profile": "claude-flow",
    "args": ["--max-workers", "8"],
    "reason": None,
    "detail": None,
    "exit_code": None,
    "exit_signal": None,
    "queued": None,
    "started": None,
    "ended": None,
    "collected": {"files": 0, "bytes": 0},
    "parent": None,
    "paused": False,
    "paused_since": None,
    "paused_seconds": 0.0,
    "stalled_since": None,
    "limits": {"run_time": 7200.0, "idle_time": None, "log_size": 200_000_000, "memory": None},
    "on_usage_limit": "retry",
    "on_lost": "fail",
    "pool": "default",
    "node": "host-1",
    "usage_limit": None,
    "pinned": False,
    "log_cut": None,
    "log_removed": False,
    "outputs_removed": False,
    "swarm_id": None,
    "waiting": None,
}
_STARTED = {"queued": "2026-11-22T21:00:00+00:00", "updated": "2026-11-22T21:00:01+00:00"}
#: One that waits for a slot, and one that runs.
STARTING = {
    **CREATED,
    **_STARTED,
    "status": "starting",
    "waiting": {"place": 1, "reason": "all 4 slots are taken", "until": None},
}
RUNNING = {**CREATED, **_STARTED, "status": "running", "started": "2026-11-22T21:00:01+00:00"}
#: One that has done its work.
COMPLETED = {
    **RUNNING,
    "status": "completed",
    "updated": "2026-11-22T21:12:30+00:00",
    "ended": "2026-11-22T21:12:30+00:00",
    "reason": "exited",
    "detail": "the command exited with 0",
    "exit_code": 0,
    "collected": {"files": 12, "bytes": 48_211},
}
PAUSED = {**RUNNING, "paused": True, "paused_since": "2026-11-22T21:05:00+00:00"}
STOPPED = {
    **COMPLETED,
    "status": "failed",
    "reason": "stopped",
    "detail": "stopped on request",
    "exit_code": None,
    "exit_signal": 15,
}
_RETRY_ID = "5d1c1a7e-2f43-4e0b-8f55-0c9a3b1e6f70"
RETRIED = {
    name: value.replace(_ID, _RETRY_ID) if isinstance(value, str) else value
    for name, value in {**STARTING, "waiting": None}.items()
} | {"parent": _ID}

#: By operation, then by name: bodies of requests.
REQUESTS: dict[str, dict[str, Any]] = {
    **webhook_examples.REQUESTS,
    "create_session": {
        "The least": {"task": "Write a haiku"},
        "Created and started at once": {
            "task": "Build a web scraper in Python",
            "priority": "high",
            "metadata": {"requester": "api"},
            "args": ["--max-workers", "8"],
            "start": True,
        },
        "With limits of its own": {
            "task": "Refactor the parser",
            "profile": "claude-flow",
            "limits": {"run_time": "2h", "log_size": "200MB", "memory": None},
            "on_usage_limit": "retry",
        },
    },
    "start_session": {"With further arguments": {"args": ["--max-workers", "4"]}},
    "update_session": {
        "Another place in the queue": {"priority": "low"},
        "Other metadata, and kept by cleanups": {"metadata": {"team": "blue"}, "pinned": True},
    },
    "retry_session": {"Without starting it": {"start": False}},
    "report_outcome": {"The work is done": {"status": "completed"}},
    "bulk_sessions": bulk_schemas.REQUESTS,
    "cleanup_sessions": {
        "What ended a day ago": {"hours": 24},
        "What would go by the settings": {"retention": True, "orphans": True, "dry_run": True},
    },
}

_OUTPUTS = f"/api/v1/sessions/{_ID}/outputs"
#: By operation: what it answers when all is well.
ANSWERS: dict[str, Any] = {
    **telemetry_schemas.EXAMPLES,
    **log_schemas.EXAMPLES,
    **webhook_examples.ANSWERS,
    "get_performance": performance.EXAMPLE,
    "list_nodes": {"nodes": [nodes.EXAMPLE]},
    "drain_node": {**nodes.EXAMPLE, "state": "draining", "draining": True},
    "uncordon_node": nodes.EXAMPLE,
    "forget_node": nodes.FORGOTTEN,
    "get_overview": overview.EXAMPLE,
    "create_session": CREATED,
    "list_sessions": {"sessions": [RUNNING], "next_cursor": None},
    "get_session": RUNNING,
    "get_status": {"session_id": _ID, "status": "running"},
    "start_session": STARTING,
    "update_session": {**CREATED, "priority": "low", "updated": "2026-11-22T21:00:00+00:00"},
    "pause_session": PAUSED,
    "resume_session": {**RUNNING, "paused_seconds": 61.5},
    "stop_session": STOPPED,
    "retry_session": RETRIED,
    "report_outcome": RUNNING,
    "wait_for_session": COMPLETED,
    "read_log": "\U0001f41d Spawning the hive\nSwarm ID: swarm-1763845201000-x7k2p9\n",
    "stream_log": 'id: 4711\nevent: log\ndata: {"offset":4650,"text":"..."}\n\n'
    'id: 4711\nevent: end\ndata: {"status":"completed","reason":"exited","exit_code":0}\n\n',
    "follow_events": "id: 815\nevent: session\n"
    f'data: {{"id":815,"kind":"running","session_id":"{_ID}","at":"2026-11-22T21:00:01+00:00",'
    '"session":{}}\n\n',
    "list_outputs": {
        "files": [
            {
                "path": "src/scraper.py",
                "size": 2048,
                "modified": "2026-11-22T21:12:29+00:00",
                "url": f"{_OUTPUTS}/src/scraper.py",
            }
        ],
        "truncated": False,
    },
    "get_queue": {
        "slots": 4,
        "taken": 4,
        "waiting": 1,
        "next": "all 4 slots are taken",
        "brake": "",
        "holds": [],
    },
    "lift_hold": {"profile": "claude-flow"},
    "get_registry": {
        "sessions": {
            _ID: {
                "task": "Build a web scraper in Python",
                "status": "running",
                "created": "2026-11-22T20:59:46+00:00",
                "updated": "2026-11-22T21:00:01+00:00",
                "dir": f"{_WORK}/{_ID}",
            }
        },
        "created": "2026-11-01T08:00:00+00:00",
    },
    "bulk_sessions": bulk_schemas.ANSWER,
    "cleanup_sessions": {
        "removed": [_ID],
        "kept": [],
        "sessions": [{"session_id": _ID, "bytes": 90_112, "note": ""}],
        "logs": [],
        "outputs": [],
        "orphans": [],
        "leftovers": [],
        "bytes": 90_112,
        "dry_run": False,
    },
    "get_swarm": {
        "session_id": _ID,
        "swarm_id": _SWARM,
        "swarms": [
            {
                "id": _SWARM,
                "name": "hive-1795651543235",
                "objective": CREATED["task"],
                "status": "active",
                "queen_type": "strategic",
                "created": "2026-11-22T21:00:02+00:00",
            }
        ],
        "agents": [
            {
                "id": f"worker-{_SWARM}-0",
                "swarm_id": _SWARM,
                "name": "Coder Worker 1",
                "type": "coder",
                "role": "worker",
                "status": "busy",
                "task": "Fetch the pages",
            }
        ],
        "tasks": [
            {
                "id": "task-1",
                "swarm_id": _SWARM,
                "agent_id": f"worker-{_SWARM}-0",
                "description": "Fetch the pages",
                "status": "in_progress",
                "priority": "5",
                "created": "2026-11-22T21:00:03+00:00",
                "completed": None,
                "progress": 0.5,
            }
        ],
        "progress": {"done": 0, "total": 1},
        "memory": {
            "entries": 1,
            "namespaces": {"task-index": 1},
            "newest": [
                {
                    "namespace": "task-index",
                    "key": "task-index:1795651595517",
                    "value": '{"description":"Fetch the pages"}',
                    "created": "2026-11-22T21:00:03+00:00",
                }
            ],
        },
        "decisions": [],
        "sources": {
            name: {
                "state": "ok",
                "detail": "",
                "modified": "2026-11-22T21:04:05+00:00",
                "bytes": 98_304,
            }
            for name in ("hive_db", "memory_db")
        },
        "truncated": False,
    },
    "list_swarms": {
        "swarms": [
            {
                "id": _SWARM,
                "session_id": _ID,
                "objective": CREATED["task"],
                "status": "running",
                "created": CREATED["created"],
            }
        ],
        "next_cursor": None,
    },
    "get_me": {
        "principal": "token:rust",
        "role": "operator",
        "manages_others": False,
        "token": "rust",
    },
    "list_audit_events": {
        "events": [
            {
                "id": 42,
                "at": "2026-11-22T20:59:46+00:00",
                "action": "created",
                "principal": "token:rust",
                "role": "operator",
                "via": "token",
                "address": "192.0.2.7",
                "token": "rust",
                "session_id": _ID,
                "data": {},
            }
        ]
    },
}
