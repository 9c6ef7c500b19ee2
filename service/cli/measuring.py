"""What ``bench`` does to a running service, through the SDK: idle round trips, then many tasks at once, then the count.

Durations of a task are by the service's own clock, from its own times; those of a request by ours. Every task carries a
tag of its run; whatever of them still waits or runs at the end is cancelled. What is finished stays, as any task does.
"""

from __future__ import annotations

import asyncio
import statistics
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

import service.client as sdk
from service.client.errors import ClientError

if TYPE_CHECKING:
    from service.client.models import Task

TYPE, INPUT = "simple_calculation", {"a": 6, "b": 7, "operation": "multiply"}
WAITING = ("PENDING", "RETRYING", "PROCESSING")
IDLE_TASKS, IDLE_PAUSE_S = 20, 0.02
LOOK_S = 0.1
CLEAN_UP_S = 15.0
Tell = Callable[[str, int, int], None]
"""Hears a step, how many are done, and of how many."""


class NobodyWorks(ClientError):
    """No living worker takes what would be submitted."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Of durations, in milliseconds."""

    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        return cls(round(cuts[49] * 1e3, 2), round(cuts[98] * 1e3, 2))


@dataclass(frozen=True, slots=True)
class Figures:
    """``pick_up``: stored → started, idle. ``round_trip``: submitted → answered with its result, idle.

    ``submit``: one POST among ``connections``. ``end_to_end``: stored → finished, under that load.
    """

    tasks: int
    connections: int
    workers: int
    failed: int
    pick_up: Spread
    round_trip: Spread
    submit: Spread
    submitted_per_s: float
    end_to_end: Spread
    finished_per_s: float

    def document(self) -> dict[str, Any]:
        return asdict(self)


async def measure(tasks: int, connections: int, seconds: float, tell: Tell) -> Figures:
    """Raises: NobodyWorks; TimeoutError, when it is not through within ``seconds``; ClientError."""
    async with sdk.AsyncClient() as client:
        workers = await _workers(client)
        run = _Run(client, f"bench-{uuid.uuid4().hex[:12]}", tell)
        try:
            async with asyncio.timeout(seconds):
                idle, round_trips = await run.idle()
                posts, took = await run.load(tasks, connections)
                await run.finished(tasks)
                ended = await run.ended()
        finally:
            await run.clean_up()
        return Figures(
            tasks=tasks,
            connections=connections,
            workers=workers,
            failed=sum(not task.is_completed for task in [*idle, *ended]),
            pick_up=Spread.of([_between(task.created_at, task.started_at) for task in idle]),
            round_trip=Spread.of(round_trips),
            submit=Spread.of(posts),
            submitted_per_s=round(tasks / took, 1),
            end_to_end=Spread.of([_between(task.created_at, task.finished_at) for task in ended]),
            finished_per_s=round(len(ended) / _span(ended), 1),
        )


async def _workers(client: sdk.AsyncClient) -> int:
    """How many take the type. Raises: NobodyWorks."""
    living = [one for one in await client.workers() if one.state == "running"]
    able = [one for one in living if one.types is None or TYPE in one.types]
    if not able:
        raise NobodyWorks(
            f"no living worker takes {TYPE}: enable it on one"
            if living
            else "no worker lives, so nothing would be measured: start one with: taskrunner worker"
        )
    return len(able)


class _Run:
    """One measurement: its tasks carry its tags."""

    def __init__(self, client: sdk.AsyncClient, tag: str, tell: Tell) -> None:
        self._client = client
        self._tag = tag
        self._under_load = f"{tag}-load"
        self._tell = tell
        self._since: datetime | None = None

    async def idle(self) -> tuple[list[Task], list[float]]:
        """One task after the other, each answered with its result."""
        tasks, took = [], []
        for number in range(IDLE_TASKS):
            self._tell("idle round trips", number, IDLE_TASKS)
            began_at = perf_counter()
            task = await self._client.submit(TYPE, INPUT, wait=60, max_attempts=1, tags=[self._tag])
            self._since = self._since or task.created_at
            if not task.is_final:
                task = await self._client.wait(task.id)
            took.append(perf_counter() - began_at)
            tasks.append(task)
            await asyncio.sleep(IDLE_PAUSE_S)
        return tasks, took

    async def load(self, tasks: int, connections: int) -> tuple[list[float], float]:
        """So many POSTs by so many callers: what each took, and all of them together."""
        took: list[float] = []
        turns = iter(range(tasks))

        async def caller(turns: Iterator[int]) -> None:
            for _ in turns:
                began_at = perf_counter()
                tags = [self._tag, self._under_load]
                await self._client.submit(TYPE, INPUT, max_attempts=1, tags=tags)
                took.append(perf_counter() - began_at)
                self._tell("submit", len(took), tasks)

        began_at = perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(caller(turns))
        return took, perf_counter() - began_at

    async def finished(self, tasks: int) -> None:
        """Return once none of them waits or runs."""
        while await self._is_any_left():
            self._tell("finish", 0, tasks)
            await asyncio.sleep(LOOK_S)

    async def ended(self) -> list[Task]:
        """All that were submitted under load."""
        self._tell("read", 0, 1)
        return await self._list(self._under_load)

    async def clean_up(self) -> None:
        """Cancel what is left; a service that went away meanwhile keeps it."""
        try:
            async with asyncio.timeout(CLEAN_UP_S):
                for task in await self._list(self._tag, WAITING):
                    await self._cancel(task)
        except (ClientError, TimeoutError):
            return

    async def _cancel(self, task: Task) -> None:
        try:
            await self._client.cancel(task.id)
        except sdk.ConflictError:
            return  # it ended just now

    async def _is_any_left(self) -> bool:
        """A page of one: to count them each time would be measured, too."""
        first = self._client.list(page_size=1, tag=self._under_load, status=WAITING, created_after=self._since)
        async for _ in first:
            return True
        return False

    async def _list(self, tag: str, status: tuple[str, ...] | None = None) -> list[Task]:
        # Since the first of them: a tag alone would be looked for among all tasks there are.
        found = self._client.list(page_size=200, tag=tag, status=status, created_after=self._since)
        return [task async for task in found]


def _between(start: datetime | None, end: datetime | None) -> float:
    """Seconds; a task without one of its times was never started, which is no time at all."""
    return (end - start).total_seconds() if start and end else 0.0


def _span(tasks: Sequence[Task]) -> float:
    """From the first one stored to the last one finished."""
    stored = [task.created_at for task in tasks if task.created_at]
    finished = [task.finished_at for task in tasks if task.finished_at]
    return max(1e-6, _between(min(stored), max(finished)))
