"""Schedulers that die, stop and lose replies: every tick has one task, and every task runs."""

from __future__ import annotations

import asyncio
import random
import signal
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from shared.domain.schedule import CatchUp, Schedule
from shared.queue.claim import claim_next
from shared.queue.scheduler import make_due_ticks
from shared.queue.stores import Stores
from tests.chaos.conftest import Stage
from tests.support.checker import violations
from tests.support.evidence import gathered
from tests.support.failpoints import Died, Failpoints, Harm, harmed
from tests.support.faults import Keeper, Recoveries, connected, until_all_ended, until_value
from tests.support.scenes.making import ended, execute
from tests.support.scenes.ticking import REGISTRY, back_dated, count_of, scheduled
from tests.support.stores import registered
from tests.support.stories import DONE

TICKS = 25
STOPPED_SECONDS = 9.0
LATEST_SECONDS = 10.0
"""From then on a tick would count as missed. (Under no load, a second.)"""
MADE = "SELECT count(*) FROM tasks WHERE metadata ->> 'schedule' = 'often'"
WHEN = "SELECT metadata ->> 'tick', created_at FROM tasks WHERE metadata ->> 'schedule' = 'often' ORDER BY 1"


@pytest.mark.chaos
async def test_five_schedulers_that_die_and_stop_make_each_tick_once(stage: Stage, recoveries: Recoveries) -> None:
    async with stage.running(workers=5) as [_, *workers]:
        async with stage.service.client() as client:
            schedule = await client.create_schedule(
                "often", "effect", {"ledger": str(stage.ledger)}, every=1, catch_up="all"
            )
            async with asyncio.TaskGroup() as faults:
                for worker in workers[:2]:
                    faults.create_task(_killed_again_and_again(worker))
                faults.create_task(_stopped(workers[2]))
                faults.create_task(_until_ticks(stage, TICKS))
            last = await client.change_schedule(schedule.id, enabled=False)
        await until_all_ended(stage.database_url)
        assert last.created_at is not None
        made = await _ticks(stage)
        ticks = [tick for tick, _ in made]
        assert ticks[0] == last.created_at + timedelta(seconds=1)
        assert {later - sooner for sooner, later in pairwise(ticks)} == {timedelta(seconds=1)}
        assert len(ticks) >= TICKS
        assert violations(await gathered(stage.database_url, stage.ledger, [])) == []
        latest = max((at - tick).total_seconds() for tick, at in made)
        recoveries.measured("a tick, while of five schedulers two die and one stops", latest, LATEST_SECONDS)


async def _killed_again_and_again(worker: Keeper) -> None:
    for _ in range(2):
        await asyncio.sleep(random.uniform(1, 6))  # noqa: S311 - no secret
        before = worker.child
        before.send(signal.SIGKILL)
        await worker.replaced(before)


async def _stopped(worker: Keeper) -> None:
    await asyncio.sleep(2)
    before = worker.child
    before.send(signal.SIGSTOP)
    await asyncio.sleep(STOPPED_SECONDS)
    before.send(signal.SIGCONT)
    await worker.replaced(before)


async def _until_ticks(stage: Stage, count: int) -> None:
    await until_value(stage.database_url, f"SELECT ({MADE}) >= $1", count, is_=True, timeout=90)


async def _ticks(stage: Stage) -> list[tuple[datetime, datetime]]:
    async with connected(stage.database_url) as connection:
        rows = await connection.fetch(WHEN)
    return [(datetime.fromisoformat(tick), at) for tick, at in rows]


@pytest.mark.chaos
async def test_a_real_worker_makes_ticks_and_runs_them_without_a_hint(stage: Stage) -> None:
    """Redis away: the tick's task is never hinted, and the poll finds it."""
    stage.service.env["REDIS_URL"] = "redis://127.0.0.1:1/0"
    async with stage.running(workers=1), stage.service.client() as client:
        schedule = await client.create_schedule("often", "effect", {"ledger": str(stage.ledger)}, every=1)
        await _until_ticks(stage, 2)
        await client.delete_schedule(schedule.id)
        await until_all_ended(stage.database_url)
        assert violations(await gathered(stage.database_url, stage.ledger, [])) == []


@pytest.mark.parametrize("harm", Harm, ids=lambda harm: harm.name.lower())
async def test_whatever_happens_at_an_await_of_the_scheduler_the_tick_has_one_task(stores: Stores, harm: Harm) -> None:
    """Dead after the statement and before the hint, too: the poll claims what nobody was told of."""
    struck = 0
    while await _ticked(stores, Failpoints(harm, struck)):
        struck += 1
    assert struck >= 3, "connect, look, make"


async def _ticked(stores: Stores, points: Failpoints) -> bool:
    """One tick, with harm at one await; another scheduler comes after. False: there is no such await any more."""
    await execute(stores, "DELETE FROM tasks")
    await execute(stores, "DELETE FROM schedules WHERE NOT is_builtin")
    schedule: Schedule = await scheduled(stores, every=3_600.0, catch_up=CatchUp.ALL)
    await back_dated(stores, schedule, 3_605)
    ending = asyncio.ensure_future(make_due_ticks(harmed(stores, points), REGISTRY))
    [said] = await asyncio.gather(ending, return_exceptions=True)
    assert points.has_struck or not isinstance(said, BaseException), said
    assert not isinstance(said, Died) or points.has_struck
    await make_due_ticks(stores, REGISTRY)
    assert await count_of(stores, schedule) == 1
    await stores.broker.queue.flushdb()
    [run] = await claim_next(stores, await registered(stores), 10)
    assert await ended(stores, run, DONE) is not None
    return points.has_struck
