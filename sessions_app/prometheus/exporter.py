"""Collecting and writing down: one collection for all who scrape at the same time."""

import asyncio
import re
import time

import prometheus_client
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from sessions_app.prometheus.families import Moment
from sessions_app.prometheus.history import History
from sessions_app.prometheus.now import Look
from sessions_app.shared import Shared

#: A snapshot takes no longer than this (s), whatever is broken.
PATIENCE = 10.0
#: The event loop's lag is measured this often (s), until nobody has scraped for so long (s).
LAG_EVERY, LAG_UNTIL = 1.0, 600.0
#: What the client library knows of a form with another version than these is not to be relied on.
_UNKNOWN_VERSION = re.compile(r"version=(?!(?:0\.0\.[14]|1\.0\.0)\s*(?:;|\Z))")
LAG_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 5)


class Exporter:
    """The metrics of this process and its installation, on one event loop."""

    def __init__(self) -> None:
        # twice the lines, where process_start_time_seconds says it once
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._moment = Moment()
        registry.register(self._moment)
        self._look = Look(History(registry))
        self._lag = Histogram(
            "hive_event_loop_lag_seconds",
            "How much later than asked the event loop ran something, measured each second since "
            "the first scrape. Requests, websockets and the spawner share this loop.",
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._collected = Shared(self._collect)
        self._scraped = 0.0
        self._measuring: asyncio.Task[None] | None = None

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the form that suits an ``Accept`` header, and its content type."""
        self._scraped = time.monotonic()
        if self._measuring is None or self._measuring.done():
            loop = asyncio.get_running_loop()
            self._measuring = loop.create_task(self._measure(), name="prometheus.lag")
        texts = await self._collected.get(PATIENCE)
        known = [form for form in accept.split(",") if not _UNKNOWN_VERSION.search(form)]
        encode, content_type = choose_encoder(",".join(known))
        if content_type not in texts:
            texts[content_type] = asyncio.ensure_future(asyncio.to_thread(encode, self._registry))
        return await asyncio.shield(texts[content_type]), content_type

    async def _collect(self) -> "dict[str, asyncio.Future[bytes]]":
        """Bring everything up to date; the answer is where its texts are kept, once written."""
        self._moment.snapshot = await self._look.snapshot()
        return {}

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while time.monotonic() - self._scraped < LAG_UNTIL:
            due = loop.time() + LAG_EVERY
            await asyncio.sleep(LAG_EVERY)
            self._lag.observe(max(0.0, loop.time() - due))
