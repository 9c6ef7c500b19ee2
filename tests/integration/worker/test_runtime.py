"""One whole worker in this process: what it costs when idle, what its health port says, how it drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import event

import worker.health
from shared.embedded.ports import free_port
from shared.queue.lookup import get_task
from shared.queue.planning import Request, plan
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.queue.workers import live_workers
from shared.registry import discover
from shared.settings import Settings
from tests.integration.worker.conftest import TENANT, eventually
from worker.runtime import Runtime

OWN = "tests.support.own_tasks"
WINDOW_SECONDS = 3.0
CALLED_BY_SCRIPTS = {"time", "zrangebyscore", "zrange", "zrem", "zadd", "zcard", "unlink", "llen", "lpush", "pexpire"}


@asynccontextmanager
async def running(settings: Settings, **changes: object) -> AsyncIterator[tuple[Runtime, asyncio.Task[None]]]:
    """A worker that serves until the block ends."""
    changed = settings.model_copy(update={"task_modules": (OWN,), "shutdown_grace": 0.2, **changes})
    async with Runtime(changed) as runtime:
        serving = asyncio.create_task(runtime.run())
        try:
            yield runtime, serving
        finally:
            runtime.drain()
            async with asyncio.timeout(15):
                await serving


async def commands_so_far(stores: Stores) -> int:
    """What clients asked for; a script counts once, not what it calls."""
    stats = await stores.broker.queue.info("commandstats")
    asked = {name.removeprefix("cmdstat_"): int(stat["calls"]) for name, stat in stats.items()}
    return sum(calls for name, calls in asked.items() if name not in CALLED_BY_SCRIPTS)


async def test_an_idle_worker_asks_little(settings: Settings, stores: Stores) -> None:
    async with running(settings) as (runtime, _):
        engine = runtime.stores.db.engine.sync_engine
        statements: list[str] = []
        event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        await eventually_registered(stores)
        await asyncio.sleep(WINDOW_SECONDS)  # idle, not starting: every chore has its first turn at once
        statements.clear()
        before = await commands_so_far(stores)
        await asyncio.sleep(WINDOW_SECONDS)
        commands = await commands_so_far(stores) - before
        asked = list(statements)
    assert 0 < commands <= 10 * WINDOW_SECONDS
    assert 0 < len(asked) <= 5 * WINDOW_SECONDS, asked


async def eventually_registered(stores: Stores) -> None:
    async def registered() -> bool:
        return bool(await live_workers(stores))

    await eventually(registered)


async def test_the_health_port_answers(settings: Settings, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    async with (
        running(settings, worker_health_port=port, concurrency=3) as (runtime, _),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5, trust_env=False) as client,
    ):

        async def answers() -> bool:
            try:
                return (await client.get("/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(answers)
        assert (await client.get("/health/live")).json() == {"status": "ok"}
        told = (await client.get("/health")).json()
        assert (told["status"], told["state"]) == ("ok", "running")
        assert told["components"] == {"database": {"status": "ok"}, "broker": {"status": "ok"}}
        assert (told["worker"], told["running"], told["concurrency"]) == (str(runtime.info.id), 0, 3)
        assert (await client.get("/nowhere")).status_code == 404
        metrics = await client.get("/metrics")
        assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
        for sample in (
            'worker_slots{state="all"} 3.0',
            'store_up{store="postgresql"} 1.0',
            'store_up{store="redis"} 1.0',
            # Counters belong to the process, which may have served other tests: that they are there counts.
            'chore_turns_total{chore="expire",outcome="failed"}',
            'webhook_attempts_total{state="delivered"}',
            'tasks_ended_total{queue="demo_tasks",status="FAILED",type="shout"}',
        ):
            assert f"taskrunner_{sample}" in metrics.text
        runtime.pump.hold()
        held = await client.get("/metrics")
        assert 'taskrunner_store_up{store="postgresql"} 0.0' in held.text, "its last heartbeat failed"
        runtime.stores.broker.trip()
        degraded = await client.get("/health/ready")
        assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded"), "it works without Redis"

        async def no_database(stores: Stores) -> None:
            return None

        monkeypatch.setattr(worker.health, "database_health", no_database)
        unready = await client.get("/health/ready")
        assert (unready.status_code, unready.json()["status"]) == (503, "unavailable")
        assert (await client.get("/health/live")).status_code == 200, "an outage is no reason to be killed"


async def test_a_drained_worker_gives_back_what_runs_and_is_gone(settings: Settings, stores: Stores) -> None:
    planned = plan(discover((OWN,)), settings, Request("sleep", {"value": 30}))
    async with running(settings) as (runtime, serving):
        [task] = await submit(stores, TENANT, [planned])

        async def runs() -> bool:
            return (await get_task(stores, TENANT, task.id)).status == "PROCESSING"

        await eventually(runs)
        runtime.drain()
        async with asyncio.timeout(10):
            await serving
    waiting = await get_task(stores, TENANT, task.id)
    assert (waiting.status, waiting.attempt, waiting.worker_id) == ("RETRYING", 0, None)
    assert await live_workers(stores) == []


async def test_a_worker_tells_which_types_it_cannot_serve_and_why(settings: Settings, stores: Stores) -> None:
    async with running(settings, ai_base_url=None) as (runtime, _):
        await eventually_registered(stores)
        [told] = await live_workers(stores)
        assert set(told.types).isdisjoint(told.missing)
        assert {*told.types, *told.missing} == set(discover((OWN,)).types)
        assert told.id == runtime.info.id
        assert all(told.missing.values())
