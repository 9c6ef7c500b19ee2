"""The measures, round by round: each of ours next to its yardstick, so that both meet the same machine."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import redis.asyncio

from benchmarks.ground import Ground, Site
from benchmarks.load import Load, Measured, run_apart
from benchmarks.rows import Rows, statements_alone

TASKS = "/api/v1/tasks"
NOOP = {"type": "bench_noop", "input": {}}
TALK_PAUSE_S = 0.03
BATCH = 1_000
DRAIN_S, CATCH_UP_S = 4.0, 60.0
FIRST_HALF_S, WHOLE_S = 65.0, 110.0
"""On a busy machine fewer rounds are measured: no further one begins that would end after this."""
SETTLE_DOWN_S = 0.5
"""Hints still behind the last answers reach Valkey before it is cleared."""


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    rounds: int
    seconds: float
    connections: int
    drain: int
    pick_ups: int
    concurrency: int

    @property
    def steps(self) -> int:
        return 5 * self.rounds + 1


@dataclass
class Figure:
    """One row of the table: a value a round, of ours and, where there is one, of the yardstick."""

    name: str
    unit: str
    ours: list[float] = field(default_factory=list)
    yardstick: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """Median of the rounds' own ratios: each pair met the same noise."""
        pairs = zip(self.ours, self.yardstick, strict=True) if self.yardstick else ()
        return statistics.median([one / other for one, other in pairs]) if self.yardstick else None


class Bench:
    """Measures on ``ground``; ``figures`` grow by a value a round. ``tell`` hears what begins."""

    def __init__(self, ground: Ground, plan: Plan, rows: Rows, tell: Callable[[str], None]) -> None:
        self.figures: dict[str, Figure] = {}
        self._ground = ground
        self._plan = plan
        self._rows = rows
        self._tell = tell

    async def measure(self) -> None:
        began_at = time.monotonic()
        for number in self._rounds(began_at + FIRST_HALF_S):
            self._tell(f"submit, round {number}")
            await self._submit()
            self._tell(f"drain, round {number}")
            await self._drain()
        self._tell("idle worker")
        async with self._ground.worker() as worker:
            await self._memory(worker.pid)
            for number in self._rounds(began_at + WHOLE_S):
                self._tell(f"pick-up and poll, round {number}")
                await self._pick_up()
                await self._poll()
                self._tell(f"events, round {number}")
                await self._events()
                self._tell(f"submit while a worker runs, round {number}")
                await self._end_to_end()

    def _rounds(self, end_by: float) -> Iterator[int]:
        """Their numbers: as many as planned that fit, and one at least."""
        for number in range(1, self._plan.rounds + 1):
            began_at = time.monotonic()
            yield number
            now = time.monotonic()
            if now + (now - began_at) > end_by:
                return

    async def _submit(self) -> None:
        await self._pair("POST → 201", "POST", TASKS, NOOP, 201)
        await self._clear()
        batch = {"tasks": [NOOP] * BATCH}
        both = [await self._load(site, "POST", f"{TASKS}/batch", batch, 201, connections=4) for site in self._sites]
        self._note(f"batch submit ({BATCH:,} a body)", "tasks/s", *(one.rate * BATCH for one, _ in both))
        await self._clear()

    async def _drain(self) -> None:
        name = "drain of no-op tasks"
        since = await self._fill()
        async with self._ground.worker() as worker:
            before = _cpu_s(worker.pid)
            await self._rows.drained_within(DRAIN_S)
            worker_us = (_cpu_s(worker.pid) - before) * 1e6
            ours = await self._rows.span(since)
        await self._clear()
        since = await self._fill()
        await statements_alone(self._ground.database_url, self._plan.concurrency, DRAIN_S)
        yardstick = await self._rows.span(since)
        self._note(name, "tasks/s", ours.finished_rate, yardstick.finished_rate)
        self._note(f"{name}, CPU of the worker", "µs/task", worker_us / ours.completed)
        await self._clear()

    async def _memory(self, pid: int) -> None:
        await asyncio.sleep(SETTLE_DOWN_S)
        worker = psutil.Process(pid)
        family = [worker, *worker.children(recursive=True)]
        self._note("idle worker, resident memory", "MiB", sum(one.memory_info().rss for one in family) / 2**20)

    async def _pick_up(self) -> None:
        since = await self._rows.now()
        async with self._client() as client:
            for number in range(self._plan.pick_ups):
                task = (await client.post(TASKS, json=NOOP)).raise_for_status().json()
                self._last_task = f"{TASKS}/{task['id']}"
                (await client.get(self._last_task, params={"wait": 10})).raise_for_status()
                await asyncio.sleep(0.002 + number % 7 / 1_000)  # idle again, and in step with no timer of ours
        claimed, entered = await self._rows.waits_ms(since)
        commits = await self._rows.commits_ms(self._plan.pick_ups)
        for label, waits in (("claimed", claimed), ("handler entered", entered)):
            for percent in (50, 99):
                values = (_percentile(waits, percent), _percentile(commits, percent))
                self._note(f"idle pick-up: INSERT begun → {label}, p{percent}", "ms", *values)

    async def _poll(self) -> None:
        await self._pair("GET, final task", "GET", self._last_task, None, 200)

    async def _events(self) -> None:
        """Of tokens and progress, from the handler's word to the reader of the stream."""
        talk = {"type": "bench_talk", "input": {"words": self._plan.pick_ups, "pause": TALK_PAUSE_S}}
        late_ms: list[float] = []
        async with self._client() as client:
            task = (await client.post(TASKS, json=talk)).raise_for_status().json()
            async with client.stream("GET", f"{TASKS}/{task['id']}/events") as stream:
                async for line in stream.aiter_lines():
                    now, data = time.time(), line.removeprefix("data: ")
                    if line.startswith('data: {"delta"'):
                        late_ms += [(now - float(word)) * 1_000 for word in json.loads(data)["delta"].split()]
                    elif line.startswith('data: {"percent"'):
                        late_ms.append((now - float(json.loads(data)["message"])) * 1_000)
        for percent in (50, 99):
            self._note(f"event: handler → reader of the stream, p{percent}", "ms", _percentile(late_ms, percent))

    async def _end_to_end(self) -> None:
        since = await self._rows.now()
        ours = await self._load(self._ground.api, "POST", TASKS, NOOP, 201)
        if not await self._rows.drained_within(CATCH_UP_S):
            raise RuntimeError(f"what was submitted is not done {CATCH_UP_S:g} s later")
        name = "POST → 201 while a worker runs"
        self._note(name, "requests/s", ours[0].rate)
        self._note(f"{name}, p99", "ms", ours[0].p99_ms)
        self._note(f"{name}, finished", "tasks/s", (await self._rows.span(since)).end_to_end_rate)

    async def _pair(self, name: str, method: str, path: str, body: Any, status: int) -> None:
        ours, yardstick = [await self._load(site, method, path, body, status) for site in self._sites]
        self._note(name, "requests/s", ours[0].rate, yardstick[0].rate)
        self._note(f"{name}, p50", "ms", ours[0].p50_ms, yardstick[0].p50_ms)
        self._note(f"{name}, p99", "ms", ours[0].p99_ms, yardstick[0].p99_ms)
        self._note(f"{name}, CPU of the server", "µs/request", ours[1], yardstick[1])

    async def _load(
        self, site: Site, method: str, path: str, body: Any, status: int, connections: int | None = None
    ) -> tuple[Measured, float]:
        """What the client saw, and the CPU a request cost the server, in µs."""
        text = json.dumps(body) if body else ""
        many = connections or self._plan.connections
        before = _cpu_s(site.pid)
        measured = await run_apart(Load(site.port, method, path, text, status, many, self._plan.seconds))
        return measured, (_cpu_s(site.pid) - before) * 1e6 / measured.answers

    async def _fill(self) -> Any:
        """Submit what is to be drained, with no worker there; returns when that began."""
        since = await self._rows.now()
        async with self._client() as client:
            for submitted in range(0, self._plan.drain, BATCH):
                tasks = [NOOP] * min(BATCH, self._plan.drain - submitted)
                (await client.post(f"{TASKS}/batch", json={"tasks": tasks})).raise_for_status()
        await asyncio.sleep(SETTLE_DOWN_S)
        return since

    async def _clear(self) -> None:
        await asyncio.sleep(SETTLE_DOWN_S)
        await self._rows.clear()
        async with redis.asyncio.Redis.from_url(self._ground.redis_url, socket_timeout=10) as client:
            await client.flushall()

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._ground.api.port}", timeout=30, trust_env=False)

    def _note(self, name: str, unit: str, ours: float, yardstick: float | None = None) -> None:
        figure = self.figures.setdefault(name, Figure(name, unit))
        figure.ours.append(ours)
        if yardstick is not None:
            figure.yardstick.append(yardstick)

    @property
    def _sites(self) -> tuple[Site, Site]:
        return self._ground.api, self._ground.yardstick


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
