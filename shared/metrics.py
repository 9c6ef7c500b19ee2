"""What this process counts about itself, for Prometheus: plain numbers in memory, written out when somebody asks.

Counting is a step in a dictionary: no lock, no I/O, no library. Every label comes from a bounded set: routes, statuses,
task types, queues. What only the database knows is asked for by ``shared.queue.gauges``.
"""

from __future__ import annotations

import asyncio
import platform
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from shared.control_group import memory

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "taskrunner_"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
LAG_SECONDS = 0.5

Labels = tuple[str, ...]


class Tally:
    """Events, by label."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.counts: defaultdict[Labels, float] = defaultdict(float)
        if not labels:
            self.expect()

    def add(self, *labels: str, by: float = 1) -> None:
        self.counts[labels] += by

    def expect(self, *labels: str) -> None:
        """Show it from now on, if only as nought: what begins at one has not grown, for Prometheus."""
        self.counts[labels] += 0

    def read(self) -> Metric:
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - loaded by the first who asks

        family = CounterMetricFamily(PREFIX + self.name, self.text, labels=self.labels)
        for labels, count in list(self.counts.items()):
            family.add_metric(labels, count)
        return family


class Spread:
    """Durations in seconds, by label: how many fell below each bound."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.sums: defaultdict[Labels, float] = defaultdict(float)
        self.counts: defaultdict[Labels, list[int]] = defaultdict(lambda: [0] * (len(SECONDS) + 1))

    def add(self, seconds: float, *labels: str) -> None:
        self.counts[labels][bisect_left(SECONDS, seconds)] += 1
        self.sums[labels] += seconds

    def read(self) -> Metric:
        from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 - as above

        family = HistogramMetricFamily(PREFIX + self.name, self.text, labels=self.labels)
        for labels, counts in list(self.counts.items()):
            below, buckets = 0, []
            for bound, count in zip((*map(str, SECONDS), "+Inf"), counts, strict=True):
                below += count
                buckets.append((bound, below))
            family.add_metric(labels, buckets, self.sums[labels])
        return family


HTTP_REQUESTS = Tally("http_requests", "Requests answered.", "method", "route", "status")
HTTP_SECONDS = Spread("http_request_seconds", "From the request's head to the end of its answer.", "method", "route")
HTTP_ERRORS = Tally("http_server_errors", "Answers with 5xx: 503, and those that should not be.", "kind")
TASKS_SUBMITTED = Tally("tasks_submitted", "Tasks stored, by requests and schedules.", "type", "queue")
TASKS_ENDED = Tally("tasks_ended", "Tasks that a run, a loss or a deadline ended.", "type", "queue", "status")
RUNS_ENDED = Tally("task_runs", "Runs that ended, by outcome.", "type", "queue", "outcome")
TASK_WAIT = Spread("task_wait_seconds", "From when a task was due to its start.", "type", "queue")
TASK_RUN = Spread("task_run_seconds", "From the start of an attempt to its end.", "type", "queue")
TASKS_POISONED = Tally("tasks_poisoned", "Tasks that failed because they kill the process that runs them.")
TASKS_FENCED = Tally("tasks_fenced", "Results dropped: the run had lost its lease.")
TASKS_RESCUED = Tally("tasks_rescued", "Running tasks taken back from dead workers, by this process.")
WORKERS_DIED = Tally("workers_declared_dead", "Workers declared dead, by this process.")
WEBHOOKS = Tally("webhook_attempts", "Attempts to deliver a webhook, by what they came to.", "state")
DATABASE_FAILURES = Tally("database_failures", "Uses of PostgreSQL that failed, by what it lacked.", "kind")
CHORE_TURNS = Tally("chore_turns", "Turns of the maintenance chores, by what they came to.", "chore", "outcome")
COUNTED = (
    *(HTTP_REQUESTS, HTTP_SECONDS, HTTP_ERRORS, TASKS_SUBMITTED, TASKS_ENDED, RUNS_ENDED, TASK_WAIT, TASK_RUN),
    *(TASKS_POISONED, TASKS_FENCED, TASKS_RESCUED, WORKERS_DIED, WEBHOOKS, DATABASE_FAILURES, CHORE_TURNS),
)
for fault in ("unavailable", "error"):
    HTTP_ERRORS.expect(fault)
for lack in ("away", "full", "pool"):
    DATABASE_FAILURES.expect(lack)


class LoopLag:
    """How late this process's event loop wakes who sleeps: the worst since it was last asked."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def watch(self, *_: object) -> None:
        while True:
            due = time.perf_counter() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            self.worst = max(self.worst, time.perf_counter() - due)

    def take(self) -> float:
        worst, self.worst = self.worst, 0.0
        return worst


LAG = LoopLag()


def gauge(name: str, text: str, values: Iterable[tuple[Labels, float]], *labels: str) -> Metric:
    """Numbers as they are now."""
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - as above

    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


class _Process:
    """What this process counted, as ``prometheus_client`` collects it; ``more`` was gathered just now."""

    def __init__(self, more: Iterable[Metric]) -> None:
        self._more = more

    def collect(self) -> Iterator[Metric]:
        yield from (counted.read() for counted in COUNTED)
        build = (version("async-ai-task-runner"), platform.python_version())
        yield gauge("build_info", "Always 1.", [(build, 1)], "version", "python")
        yield gauge("event_loop_lag_seconds", "The worst since the last scrape.", [((), LAG.take())])
        if seen := memory():
            yield gauge("memory_used_bytes", "Of this process's control group, cache apart.", [((), seen.used)])
            yield gauge("memory_limit_bytes", "What that group may use.", [((), seen.limit)])
        yield from self._more


def page(more: Iterable[Metric] = ()) -> bytes:
    """All of it, in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest  # noqa: PLC0415

    registry = CollectorRegistry(auto_describe=False)
    GCCollector(registry=registry)
    ProcessCollector(registry=registry)
    registry.register(_Process(more))
    return bytes(generate_latest(registry))
