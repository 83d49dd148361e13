"""What the API takes and gives about webhooks, as OpenAPI describes it."""

from typing import Literal

from ninja import Schema
from pydantic import AwareDatetime, Field, JsonValue

from sessions_app.api.requests import Strict
from sessions_app.lifecycle import EventKind
from sessions_app.models import DeliveryState
from sessions_app.webhooks import managed, sent, targets

_KINDS: dict[str, JsonValue] = {"items": {"type": "string", "enum": [*EventKind]}}
_STATES: dict[str, JsonValue] = {"enum": ["", *DeliveryState]}
_URL = (
    "`https://` or `http://`, in the internet unless HIVE_WEBHOOK_NETWORKS allows its network; "
    "port 80, 443 or from 1024 on; no user, no fragment."
)
_OWNER = "Only events of sessions of this owner; of all when empty."
_TEXT = managed.MAX_DESCRIPTION


class NewWebhook(Strict):
    """Who is to be told of what."""

    url: str = Field(description=_URL, max_length=targets.MAX_URL)
    events: list[str] = Field(
        [*managed.DEFAULT_EVENTS], description="Kinds of events.", json_schema_extra=_KINDS
    )
    owner: str = Field("", max_length=_TEXT, description=_OWNER)
    description: str = Field("", max_length=_TEXT, description="For people.")


class ChangeWebhook(Strict):
    """What to change. A field that is left out stays as it is."""

    url: str | None = Field(None, description=_URL, max_length=targets.MAX_URL)
    events: list[str] | None = Field(None, description="Kinds of events.")
    owner: str | None = Field(None, max_length=_TEXT, description=_OWNER)
    description: str | None = Field(None, max_length=_TEXT, description="For people.")
    active: bool | None = Field(
        None,
        description="Switch it off: what waits is given up. Or on again: it is told of what "
        "happens from now on.",
    )


class ReplayFailed(Strict):
    """Which failed deliveries to send again."""

    since: AwareDatetime | None = Field(
        None, description="Only those that were made after this; all that are kept if left out."
    )


class FindDeliveries(Schema):
    """Which deliveries."""

    state: str = Field("", json_schema_extra=_STATES)
    limit: int = Field(100, ge=1, le=sent.MAX_PAGE)
    before: int | None = Field(None, ge=1, le=2**63 - 1, description="Numbers smaller than this.")


class Webhook(Schema):
    """A webhook, and how it fares."""

    id: str
    url: str
    events: list[str]
    owner: str = Field(description="only of sessions of this owner; of all when empty")
    description: str
    created: str
    created_by: str
    active: bool
    disabled_reason: str = Field(description="why it was switched off, when nobody did it")
    failures: int = Field(description="failed attempts since the last one that did not fail")
    failing_since: str | None
    retry_at: str | None = Field(description="nothing is sent before this time")
    last_error: str = Field(description="while it fails")
    waiting: int = Field(description="deliveries that wait")
    previous_secret_until: str | None = Field(
        description="until when the secret before the last rotation signs as well"
    )


class WebhookWithSecret(Webhook):
    """A webhook and its secret, which is shown this once."""

    secret: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])


class Attempt(Schema):
    """One attempt."""

    at: str
    status: int | None
    error: str
    milliseconds: int


class Delivery(Schema):
    """One event, or a ping, for one webhook."""

    id: str = Field(description="what the receiver sees as `webhook-id`, at each attempt")
    number: int = Field(description="grows; ask for the next page with it")
    event: int | None = Field(description="the event's id; null for a ping")
    kind: str
    session_id: str | None
    state: Literal["waiting", "delivered", "failed"]
    created: str
    finished: str | None
    attempts: int
    status: int | None = Field(description="the HTTP status of the last answer")
    error: str = Field(description="what went wrong last; empty when nothing did")
    milliseconds: int | None = Field(description="how long the last attempt took")
    log: list[Attempt] = Field(description="the newest attempts, at most ten")


class Webhooks(Schema):
    """All webhooks, oldest first."""

    webhooks: list[Webhook]


class Deliveries(Schema):
    """Deliveries, newest first."""

    deliveries: list[Delivery]


class RemovedWebhook(Schema):
    """A webhook that is gone."""

    id: str


class Replayed(Schema):
    """How many deliveries wait again."""

    replayed: int
