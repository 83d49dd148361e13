"""The metrics of a moment: names, help and labels. Labels have few values, known beforehand."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from hiveweb import VERSION
from sessions_app.prometheus.hooks import Hooks
from sessions_app.prometheus.now import Rows, Snapshot
from sessions_app.prometheus.usage import Usage


class Moment(Collector):
    """Shows the snapshot that it was given last."""

    snapshot: Snapshot | None = None

    def collect(self) -> Iterator[Metric]:
        """Every family of which something is known."""
        if self.snapshot is None:
            return
        yield InfoMetricFamily("hive", "The hiveweb that answers.", {"version": VERSION})
        yield from _spawner(self.snapshot)
        yield from _database(self.snapshot)
        if self.snapshot.rows is not None:
            yield from _rows(self.snapshot.rows)
            yield from _webhooks(self.snapshot.rows.hooks)
            if self.snapshot.rows.usage is not None:
                yield from _usage(self.snapshot.rows.usage)
        yield from _machine(self.snapshot)
        yield from _readers(self.snapshot)
        yield _counter(
            "hive_webhook_attempts",
            "Requests to webhooks, by what became of them. A delivery may take several.",
            self.snapshot.tally.webhook_attempts,
            "outcome",
        )


def _gauge(
    name: str, text: str, value: float | Mapping[str, float], label: str = ""
) -> GaugeMetricFamily:
    if not isinstance(value, Mapping):
        return GaugeMetricFamily(name, text, value)
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, number in value.items():
        family.add_metric([key], number)
    return family


def _counter(name: str, text: str, value: Mapping[str, float], label: str) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, number in sorted(value.items()):
        family.add_metric([key], number)
    return family


def _rows(rows: Rows) -> Iterator[Metric]:
    yield _gauge(
        "hive_sessions",
        "Sessions by state. Ended ones are counted until a cleanup removes them: for how many "
        "ended, see hive_sessions_ended_total.",
        rows.states,
        "state",
    )
    yield _gauge(
        "hive_sessions_waiting",
        "Sessions that were started and wait to run: for a slot, memory or disk (why=slot), or "
        "held until a time of their own, such as a usage limit's reset (why=held).",
        {"slot": rows.waiting - rows.held, "held": rows.held},
        "why",
    )
    yield _gauge(
        "hive_queue_oldest_seconds",
        "For how long the longest waiting session could have run, had there been a slot; held "
        "ones are left out. 0 when nobody waits.",
        rows.oldest,
    )
    yield _gauge(
        "hive_nodes",
        "Hosts by state: active; draining; lost, silent for longer than their leases; left, "
        "switched off with nothing to run, or lost and drained. All 0 without PostgreSQL.",
        rows.nodes,
        "state",
    )
    yield _gauge(
        "hive_pool_waiting",
        "Sessions that could run and wait for a slot, by pools that some host serves.",
        rows.pools,
        "pool",
    )
    yield _gauge(
        "hive_sessions_unserved",
        "Sessions that could run, but ask for a pool that no host which is up serves.",
        rows.unserved,
    )
    yield _gauge("hive_slots_taken", "Sessions that take a slot: they start or run.", rows.taken)
    yield _gauge(
        "hive_sessions_paused", "Running sessions that stand still on request.", rows.paused
    )
    yield _gauge(
        "hive_sessions_stalled",
        "Running sessions without output and use of the processor for HIVE_STALL_AFTER.",
        rows.stalled,
    )
    yield _gauge(
        "hive_usage_hold_seconds",
        "Seconds until sessions of a profile may start again, whose account's usage limit was "
        "reached; 0 when it is not held.",
        rows.holds,
        "profile",
    )


def _webhooks(hooks: Hooks) -> Iterator[Metric]:
    yield _gauge(
        "hive_webhooks",
        "Webhooks by state: taking what they are sent; failing, since the last attempt; given_up, "
        "switched off for taking nothing; off, by somebody.",
        hooks.webhooks,
        "state",
    )
    yield _gauge(
        "hive_webhook_deliveries",
        "Deliveries to webhooks by state. Of finished ones the newest are kept: for how many "
        "attempts, see hive_webhook_attempts_total.",
        hooks.deliveries,
        "state",
    )


def _usage(usage: Usage) -> Iterator[Metric]:
    yield _gauge(
        "hive_runs_sampled",
        "Runs that the following are sums of, by the last sample of each (HIVE_SAMPLE_EVERY). What "
        "one of them uses is told by its own telemetry.",
        usage.sampled,
    )
    yield _gauge("hive_runs_cpu_cores", "Processors that all runs use together.", usage.cores)
    yield _gauge("hive_runs_memory_bytes", "Memory that all runs use together.", usage.memory)
    yield _gauge("hive_runs_processes", "Processes of all runs together.", usage.processes)
    yield _gauge("hive_runs_threads", "Threads of all runs together.", usage.threads)
    yield _gauge("hive_runs_open_files", "Open files of all runs together.", usage.open_files)
    yield _gauge(
        "hive_runs_disk_bytes", "Directories, outputs and logs of all runs together.", usage.disk
    )


def _spawner(now: Snapshot) -> Iterator[Metric]:
    yield _gauge("hive_slots", "Sessions that may run at once (HIVE_SLOTS).", now.conf.slots)
    yield _gauge(
        "hive_spawner_up",
        "1 while a spawner runs on this host. Where no host has one (hive_nodes) nothing starts, "
        "ends or is stopped, and what runs goes on.",
        int(now.spawner),
    )
    if now.beat is not None:
        yield _gauge(
            "hive_spawner_last_look_seconds",
            "Seconds since the spawner last looked at the rows. It looks each second and says so "
            "every 5 s: more than 30 means that it hangs, or cannot read the database.",
            now.beat.age,
        )
        yield _gauge(
            "hive_spawner_supervised", "Runs the spawner has in hand.", now.beat.supervised
        )


def _database(now: Snapshot) -> Iterator[Metric]:
    yield _gauge(
        "hive_database_up",
        "1 when the database answered this scrape; else what stands in rows is left out.",
        int(now.rows is not None),
    )
    if now.rows is not None:
        yield _gauge(
            "hive_database_read_seconds",
            "What one trivial read took, from asking to having, as a request has it: a busy event "
            "loop or busy threads show here, too.",
            now.rows.read_seconds,
        )
    yield _gauge(
        "hive_database_bytes",
        "Size of the SQLite file (main) and its write-ahead log (wal).",
        now.database_bytes,
        "file",
    )
    yield _gauge(
        "hive_database_queue_length",
        "Pieces of work that wait for a thread: writers (SQLite has one at a time), readers, and "
        "what takes long, such as cleanups.",
        now.queues,
        "lane",
    )
    yield CounterMetricFamily(
        "hive_database_errors",
        "Pieces of work that the database did not do for this process: locked, full or away.",
        now.tally.database_errors,
    )


def _machine(now: Snapshot) -> Iterator[Metric]:
    yield _gauge(
        "hive_disk_free_bytes",
        "Free space where workspace, logs and state lie.",
        now.free_disk,
        "place",
    )
    yield _gauge(
        "hive_disk_wanted_bytes",
        "With less free on any of those disks no session starts (HIVE_MIN_FREE_DISK); 0: off.",
        now.conf.min_free_disk,
    )
    yield _gauge(
        "hive_memory_available_bytes",
        "Memory to be had without swapping, on the machine and in our control group.",
        now.free_memory,
    )
    yield _gauge(
        "hive_memory_wanted_bytes",
        "With less available no session starts (HIVE_MIN_FREE_MEMORY); 0: off.",
        now.conf.min_free_memory,
    )


def _readers(now: Snapshot) -> Iterator[Metric]:
    tally = now.tally
    yield _gauge("hive_viewers", "Websockets that are open.", tally.viewers)
    yield _gauge(
        "hive_log_readers",
        "Logs that are being followed by websockets and streams, each reader counted.",
        tally.readers,
    )
    yield CounterMetricFamily(
        "hive_log_sent_bytes", "Bytes of logs handed to those readers.", tally.log_bytes
    )
    told, looked_at = now.logs_watched
    yield _gauge(
        "hive_logs_watched",
        "Logs with a reader whose growth the kernel tells of (inotify), and those that have to be "
        "looked at every 5 s: missing, or too many for fs.inotify.max_user_watches.",
        {"inotify": told, "polling": looked_at},
        "by",
    )
    yield _counter(
        "hive_viewers_given_up",
        "Websockets that we closed, by code: 4400 not understood, 4404 nothing there, 1011 failed.",
        {str(code): number for code, number in tally.given_up.items()},
        "code",
    )
    yield _counter(
        "hive_requests_refused",
        "Requests and websockets that the guard refused before anything looked at them, by HTTP "
        "status: 401 nobody we know, 403 not theirs, 413 too large, 429 too many.",
        {str(status): number for status, number in tally.refused.items()},
        "status",
    )
