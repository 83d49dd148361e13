"""Examples for the API's description of webhooks."""

from typing import Any

_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
WEBHOOK: dict[str, Any] = {
    "id": _ID,
    "url": "https://ci.example/hooks/hive",
    "events": ["completed", "failed"],
    "owner": "",
    "description": "tells the build server",
    "created": "2026-11-22T20:59:46+00:00",
    "created_by": "anna",
    "active": True,
    "disabled_reason": "",
    "failures": 0,
    "failing_since": None,
    "retry_at": None,
    "last_error": "",
    "waiting": 0,
    "previous_secret_until": None,
}
_SECRET = {"secret": "whsec_C2FVsBQIhrscChlQIMVb5sSYspob7oDMfKgwRfgd9eY="}
DELIVERED: dict[str, Any] = {
    "id": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "number": 17,
    "event": 815,
    "kind": "completed",
    "session_id": "0b8f3a52-6a0e-4a7c-9d0b-3a4f5c6d7e8f",
    "state": "delivered",
    "created": "2026-11-22T21:12:30+00:00",
    "finished": "2026-11-22T21:12:36+00:00",
    "attempts": 2,
    "status": 204,
    "error": "",
    "milliseconds": 41,
    "log": [
        {
            "at": "2026-11-22T21:12:31+00:00",
            "status": 503,
            "error": "it answered 503",
            "milliseconds": 38,
        },
        {"at": "2026-11-22T21:12:36+00:00", "status": 204, "error": "", "milliseconds": 41},
    ],
}
_WAITING: dict[str, Any] = {
    "state": "waiting",
    "finished": None,
    "attempts": 0,
    "status": None,
    "milliseconds": None,
    "log": [],
}

#: By operation, then by name: bodies of requests.
REQUESTS: dict[str, dict[str, Any]] = {
    "create_webhook": {
        "The usual events": {"url": "https://ci.example/hooks/hive"},
        "Ends of one owner's sessions": {
            "url": "https://ci.example/hooks/hive",
            "events": ["completed", "failed"],
            "owner": "token:rust",
            "description": "tells the build server",
        },
    },
    "update_webhook": {
        "Switched off": {"active": False},
        "Other events": {"events": ["failed", "stalled"]},
    },
    "replay_failed_deliveries": {"Of one night": {"since": "2026-11-22T20:00:00Z"}},
}
#: By operation: what it answers when all is well.
ANSWERS: dict[str, Any] = {
    "create_webhook": {**WEBHOOK, **_SECRET},
    "list_webhooks": {"webhooks": [WEBHOOK]},
    "get_webhook": WEBHOOK,
    "update_webhook": {**WEBHOOK, "events": ["failed", "stalled"]},
    "remove_webhook": {"id": _ID},
    "rotate_webhook": {
        **WEBHOOK,
        **_SECRET,
        "previous_secret_until": "2026-11-23T20:59:46+00:00",
    },
    "test_webhook": {
        **DELIVERED,
        **_WAITING,
        "number": 18,
        "event": None,
        "kind": "ping",
        "session_id": None,
    },
    "list_deliveries": {"deliveries": [DELIVERED]},
    "replay_delivery": {**DELIVERED, **_WAITING},
    "replay_failed_deliveries": {"replayed": 3},
}
