"""How webhooks do: how many take what they are sent, and what waits or is kept."""

from dataclasses import dataclass

from django.db.models import Count, F

from sessions_app.models import DeliveryState, Webhook, WebhookDelivery

#: Told of a webhook: it takes what it is sent; its last attempt failed; we switched it off, since
#: it took nothing; somebody switched it off.
STATES = ("taking", "failing", "given_up", "off")


@dataclass(frozen=True, slots=True)
class Hooks:
    """Webhooks by state (:data:`STATES`), and the rows of their deliveries by theirs."""

    webhooks: dict[str, int]
    deliveries: dict[str, int]


def hooks() -> Hooks:
    """As the rows have it. Blocking; an index answers."""
    found = dict.fromkeys(STATES, 0)
    fields = ("active", "failures", "disabled_reason")
    for active, failures, reason in Webhook.objects.order_by().values_list(*fields):
        found[_state(active=active, failing=failures > 0, given_up=reason != "")] += 1
    rows = WebhookDelivery.objects.order_by().values(name=F("state"))
    counts = {row["name"]: row["n"] for row in rows.annotate(n=Count("number"))}
    return Hooks(found, {state.value: counts.get(state.value, 0) for state in DeliveryState})


def _state(*, active: bool, failing: bool, given_up: bool) -> str:
    if active:
        return "failing" if failing else "taking"
    return "given_up" if given_up else "off"
