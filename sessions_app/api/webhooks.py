"""Webhooks: made, changed, tried out, removed; what was sent to them, and sending it again."""

import asyncio
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from sessions_app import db, idempotency, problems
from sessions_app.api import repeats, webhook_schemas
from sessions_app.api.answers import answer, responses, show
from sessions_app.errors import Conflict, NotFound
from sessions_app.models import Webhook
from sessions_app.webhooks import managed, sent, told

router = Router(tags=["webhooks"])


@router.post(
    "/webhooks",
    operation_id="create_webhook",
    summary="Make a webhook",
    response=responses(201, webhook_schemas.WebhookWithSecret, 409, 413, 422),
    openapi_extra={
        "responses": {
            201: {
                "headers": {
                    "Location": {"description": "the webhook", "schema": {"type": "string"}},
                    **repeats.HEADERS,
                }
            }
        }
    },
)
async def create_webhook(
    request: HttpRequest, body: webhook_schemas.NewWebhook, key: repeats.Key
) -> HttpResponse:
    """Have another service told of events from now on. The `secret` is shown this once."""
    await asyncio.to_thread(managed.check_url, body.url)
    made, repeated = await db.call(_create_once, body, key)
    headers = {"Location": f"{request.path}/{made['id']}"}
    if repeated:
        headers[repeats.REPLAYED] = "true"
    return HttpResponse(
        problems.encode(made), status=201, content_type="application/json", headers=headers
    )


def _create_once(body: webhook_schemas.NewWebhook, key: str | None) -> tuple[dict[str, Any], bool]:
    def make(record: idempotency.Record) -> Webhook:
        return managed.create(**body.dict(), record=record)

    wanted = idempotency.intent(key, "create_webhook", body=body.dict())
    row, repeated = idempotency.once(wanted, make, _made_before)
    return told.with_secret(row), repeated


def _made_before(webhook_id: object) -> Webhook:
    try:
        return managed.get(webhook_id)
    except NotFound:
        raise Conflict(
            f"webhook {webhook_id}, which this key stands for, has been removed; use another key"
        ) from None


@router.get(
    "/webhooks",
    operation_id="list_webhooks",
    summary="All webhooks",
    response=responses(200, webhook_schemas.Webhooks),
)
async def list_webhooks(request: HttpRequest) -> HttpResponse:
    """Whom we tell of events, and whether they take them."""
    return await show(lambda: {"webhooks": [told.webhook(row) for row in managed.listed()]})


@router.get(
    "/webhooks/{webhook_id}",
    operation_id="get_webhook",
    summary="Get a webhook",
    response=responses(200, webhook_schemas.Webhook, 404),
)
async def get_webhook(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """One webhook, without its secret."""
    return await show(lambda: told.webhook(managed.get(webhook_id)))


@router.patch(
    "/webhooks/{webhook_id}",
    operation_id="update_webhook",
    summary="Change a webhook",
    response=responses(200, webhook_schemas.Webhook, 404, 413, 422),
)
async def update_webhook(
    request: HttpRequest, webhook_id: str, body: webhook_schemas.ChangeWebhook
) -> HttpResponse:
    """Another URL, other events; on and off."""
    if body.url is not None:
        await asyncio.to_thread(managed.check_url, body.url)
    return await answer(200, lambda: told.webhook(managed.change(webhook_id, **body.dict())))


@router.delete(
    "/webhooks/{webhook_id}",
    operation_id="remove_webhook",
    summary="Remove a webhook",
    response=responses(200, webhook_schemas.RemovedWebhook, 404),
)
async def remove_webhook(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """It is told of nothing more; what waits for it goes with it."""
    return await answer(200, lambda: {"id": str(managed.remove(webhook_id))})


@router.post(
    "/webhooks/{webhook_id}/rotate",
    operation_id="rotate_webhook",
    summary="Give a webhook a new secret",
    response=responses(200, webhook_schemas.WebhookWithSecret, 404),
)
async def rotate_webhook(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """For 24 hours requests are signed with the old one as well: change the receiver meanwhile."""
    return await answer(200, lambda: told.with_secret(managed.rotate(webhook_id)))


@router.post(
    "/webhooks/{webhook_id}/test",
    operation_id="test_webhook",
    summary="Send a ping",
    response=responses(202, webhook_schemas.Delivery, 404, 409),
)
async def test_webhook(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Send a `ping` once, at once, also while it is switched off; its deliveries tell how it went.

    One that is taken ends the wait after failed attempts.
    """
    return await answer(202, lambda: told.delivery(sent.ping(webhook_id)))


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    operation_id="list_deliveries",
    summary="What was sent to a webhook",
    response=responses(200, webhook_schemas.Deliveries, 404, 422),
)
async def list_deliveries(
    request: HttpRequest, webhook_id: str, find: Query[webhook_schemas.FindDeliveries]
) -> HttpResponse:
    """Deliveries, newest first; go on with `before` the last one's `number`.

    Finished ones are kept for 7 days, at most 1,000.
    """
    return await show(_deliveries, webhook_id, find)


def _deliveries(webhook_id: str, find: webhook_schemas.FindDeliveries) -> dict[str, Any]:
    rows = sent.deliveries(webhook_id, state=find.state, limit=find.limit, before=find.before)
    return {"deliveries": [told.delivery(row) for row in rows]}


@router.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    operation_id="replay_delivery",
    summary="Send a delivery again",
    response=responses(202, webhook_schemas.Delivery, 404, 409),
)
async def replay_delivery(request: HttpRequest, webhook_id: str, delivery_id: str) -> HttpResponse:
    """The same bytes with the same `webhook-id`, whether it was delivered or failed."""
    return await answer(202, lambda: told.delivery(sent.replay(webhook_id, delivery_id)))


@router.post(
    "/webhooks/{webhook_id}/replay",
    operation_id="replay_failed_deliveries",
    summary="Send all again that failed",
    response=responses(202, webhook_schemas.Replayed, 404, 409, 422),
)
async def replay_failed_deliveries(
    request: HttpRequest, webhook_id: str, body: webhook_schemas.ReplayFailed | None = None
) -> HttpResponse:
    """In the order of their events."""
    since = body.since if body else None
    return await answer(202, lambda: {"replayed": sent.replay_failed(webhook_id, since)})
