"""Valkey is killed, flushed, full or silent: tasks are accepted and run all the same, and no process ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
import redis.asyncio

from shared.embedded.valkey import Valkey
from tests.chaos.conftest import Stage
from tests.support.evidence import ledger_of
from tests.support.faults import Recoveries, Store, until
from tests.support.load import Load

AGAIN_SECONDS = 3.0
POST_P99_SECONDS = 0.3


@pytest.fixture
async def valkey(stage: Stage, tmp_path: Path) -> AsyncIterator[Store]:
    """A Valkey of the test's own, which keeps nothing over a restart: the worst there is."""
    server = Valkey(tmp_path / "valkey", settings={"appendonly": "no", "save": '""'})
    async with Store(server) as store:
        base = store.url.removesuffix("/0")
        stage.service.env |= {"REDIS_URL": f"{base}/0", "REDIS_RESULT_URL": f"{base}/1"}
        yield store


def p99(load: Load) -> float:
    took = sorted(call.answered_at - call.asked_at for call in load.calls if call.verb == "submit")
    return took[int(len(took) * 0.99)]


async def configured(store: Store, **directives: str) -> None:
    async with redis.asyncio.Redis.from_url(store.url) as client:
        for name, value in directives.items():
            await client.config_set(name.replace("_", "-"), value)


async def next_start(stage: Stage, since: float) -> float:
    """Seconds from ``since`` (wall clock) to the first start after it."""

    def starts() -> list[float]:
        return [effect.at for effect in ledger_of(stage.ledger) if effect.what == "start" and effect.at > since]

    await until(lambda: bool(starts()), 30, "a start after the fault")
    return min(starts()) - since


def every_submit_was_accepted_at_once(load: Load) -> bool:
    return {call.status for call in load.calls if call.verb in {"submit", "batch"}} == {201}


@pytest.mark.parametrize("away", [3, pytest.param(10, marks=pytest.mark.chaos)])
async def test_with_valkey_killed_tasks_are_accepted_and_run(
    stage: Stage, valkey: Store, recoveries: Recoveries, away: int
) -> None:
    async with stage.running() as keepers, stage.load() as load:
        steady = asyncio.create_task(load.steady(rate=40, seconds=away + 4))
        await asyncio.sleep(1.5)
        valkey.kill()
        recoveries.measured(f"Valkey killed, away {away} s: until a start", await next_start(stage, time.time()), 3.0)
        await asyncio.sleep(away)
        await valkey.start()
        await steady
        evidence = await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[], []]
    assert every_submit_was_accepted_at_once(load)
    waited = evidence.longest_wait()
    recoveries.measured(f"Valkey killed, away {away} s: creation to start", waited, AGAIN_SECONDS)


@pytest.mark.parametrize("waiting", [1_000, pytest.param(20_000, marks=[pytest.mark.chaos, pytest.mark.timeout(400)])])
async def test_a_flush_with_thousands_waiting_loses_none(
    stage: Stage, valkey: Store, recoveries: Recoveries, waiting: int
) -> None:
    async with stage.running() as keepers, stage.load(seconds=0.01) as load:
        await load.submit_batch(waiting)
        await until(lambda: len(ledger_of(stage.ledger)) > 100, 30, "some of them ran")
        async with redis.asyncio.Redis.from_url(valkey.url) as client:
            flushed_at = time.time()
            await client.flushall()
        evidence = await stage.judged(load, timeout=300)
        assert [keeper.exits for keeper in keepers] == [[], []]
    starts = sorted(effect.at for effect in evidence.ledger if effect.what == "start")
    pause = max(next_ - one for one, next_ in pairwise(starts) if next_ > flushed_at)
    recoveries.measured(f"FLUSHALL with {waiting} waiting: longest pause between starts", pause, AGAIN_SECONDS)


@pytest.mark.parametrize(
    ("fault", "policy", "size"),
    [
        pytest.param("eviction", "allkeys-lru", "3mb", marks=pytest.mark.chaos),
        ("noeviction, full", "noeviction", "1mb"),
    ],
)
async def test_with_no_memory_left_in_valkey_everything_is_accepted_and_runs(
    stage: Stage, valkey: Store, recoveries: Recoveries, fault: str, policy: str, size: str
) -> None:
    async with stage.running() as keepers, stage.load() as load:
        await configured(valkey, maxmemory_policy=policy, maxmemory=size)
        await load.submit_batch(1_000)
        recoveries.measured(f"Valkey {fault}: until a start", await next_start(stage, time.time()), AGAIN_SECONDS)
        await load.steady(rate=30, seconds=2)
        await configured(valkey, maxmemory="0")
        await load.steady(rate=30, seconds=1)
        await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[], []]
    assert every_submit_was_accepted_at_once(load)


@pytest.mark.parametrize("silent", [4, pytest.param(30, marks=pytest.mark.chaos)])
async def test_a_valkey_that_hangs_holds_nobody_up(
    stage: Stage, valkey: Store, recoveries: Recoveries, silent: int
) -> None:
    async with stage.running() as keepers, stage.load() as load:
        await load.steady(rate=30, seconds=1)
        valkey.suspend()
        await load.steady(rate=30, seconds=silent)
        valkey.resume()
        await load.steady(rate=30, seconds=2)
        evidence = await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[], []]
    assert every_submit_was_accepted_at_once(load)
    recoveries.measured(f"Valkey hangs {silent} s: POST p99", p99(load), POST_P99_SECONDS)
    recoveries.measured(f"Valkey hangs {silent} s: creation to start", evidence.longest_wait(), AGAIN_SECONDS)
