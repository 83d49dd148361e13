"""What /metrics says of webhooks: how many take what they are sent, and what became of it."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from asgiref.sync import sync_to_async
from prometheus_client.parser import text_string_to_metric_families

from sessions_app import counted, db
from sessions_app.conf import Conf
from sessions_app.models import Webhook, WebhookDelivery
from sessions_app.prometheus.exporter import Exporter
from tests.receiver import answers, receiver
from tests.unit.webhooks import happens, hook, until, working

pytestmark = pytest.mark.django_db(transaction=True)


def of(text: str, name: str, label: str) -> dict[str, float]:
    """The values of a metric, by its one label."""
    families = text_string_to_metric_families(text)
    found = [sample for family in families for sample in family.samples if sample.name == name]
    return {sample.labels[label]: sample.value for sample in found}


def rows() -> None:
    now = datetime.now(UTC)
    made = {"url": "https://ci.example/secret", "created": now, "created_by": "anna"}
    one = Webhook.objects.create(**made)
    for state in ("waiting", "waiting", "failed"):
        WebhookDelivery.objects.create(
            webhook=one.id, kind="ping", body="{}", created=now, state=state
        )
    Webhook.objects.create(**made, failures=2)
    Webhook.objects.create(**made, active=False, disabled_reason="410")
    Webhook.objects.create(**made, active=False, failures=1)


async def test_states_of_webhooks_and_deliveries(conf: Conf) -> None:
    await sync_to_async(rows)()
    text = (await Exporter().text(""))[0].decode()
    states = {"taking": 1, "failing": 1, "given_up": 1, "off": 1}
    assert of(text, "hive_webhooks", "state") == states
    deliveries = {"waiting": 2, "delivered": 0, "failed": 1}
    assert of(text, "hive_webhook_deliveries", "state") == deliveries
    assert of(text, "hive_webhook_attempts_total", "outcome").keys() == {"delivered", "failed"}
    assert "ci.example" not in text


async def test_attempts_are_counted(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    count = Counter(delivered=0, failed=0)
    monkeypatch.setattr(counted.ours, "webhook_attempts", count)
    with receiver() as there:
        there.next = [answers(500), answers(500)]
        await db.call(hook, there.url)
        async with working(conf):
            await db.call(happens)
            await until(lambda: count["delivered"] == 1, "it")
    assert count == {"delivered": 1, "failed": 2}
