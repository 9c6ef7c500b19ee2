"""The scheduler's verb over real stores: one task per tick, whoever tries how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from shared.db.statements import ticks as statements
from shared.domain.schedule import CatchUp, Schedule
from shared.domain.task import DEFAULT_TENANT, Task, TaskFilter
from shared.queue import scheduler
from shared.queue.lookup import list_tasks
from shared.queue.scheduler import make_due_ticks, prune_ticks
from shared.queue.schedules import Schedules, Wanted
from shared.queue.stores import Stores
from shared.registry import Registry, discover

ADD = {"a": 1, "b": 2, "operation": "add"}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


@pytest_asyncio.fixture
async def schedules(stores: Stores, registry: Registry) -> AsyncIterator[Schedules]:
    yield Schedules(stores, registry)


async def add(stores: Stores, schedules: Schedules, **wanted: Any) -> Schedule:
    given = {"name": "nightly", "type": "simple_calculation", "input": ADD, "every": 1.0, **wanted}
    async with stores.db.autocommit() as session:
        return await schedules.create(session, DEFAULT_TENANT, Wanted(**given))


async def back_date(stores: Stores, schedule: Schedule, seconds: float) -> datetime:
    """Let it have been made so many seconds ago, and nobody there since; its first tick."""
    moved = """
        UPDATE schedules SET created_at = created_at - make_interval(secs => :seconds),
                             next_run = next_run - make_interval(secs => :seconds)
        WHERE id = :id RETURNING next_run
    """
    async with stores.db.autocommit() as session:
        found = await session.execute(text(moved), {"id": schedule.id, "seconds": seconds})
        first: datetime = found.scalar_one()
    return first


async def tasks_of(stores: Stores, schedule: Schedule) -> list[Task]:
    wanted = TaskFilter(tags=(f"schedule:{schedule.name}",))
    return [*reversed(await list_tasks(stores, DEFAULT_TENANT, wanted, limit=2_000))]


def ticks_of(tasks: list[Task]) -> list[datetime]:
    return [datetime.fromisoformat(task.metadata["tick"]) for task in tasks]


async def test_a_due_tick_becomes_one_task_and_the_next_is_set(
    stores: Stores, schedules: Schedules, registry: Registry
) -> None:
    schedule = await add(stores, schedules)
    first = await back_date(stores, schedule, 1.5)
    wait = await make_due_ticks(stores, registry)
    assert 0 < wait <= scheduler.LOOK_SECONDS
    [task] = await tasks_of(stores, schedule)
    assert ticks_of([task]) == [first]
    assert task.metadata["schedule_id"] == str(schedule.id)
    assert (task.type, task.input, task.queue, task.max_attempts) == ("simple_calculation", ADD, "demo_tasks", 4)
    now = await schedules.get(DEFAULT_TENANT, schedule.id)
    assert (now.last_run, now.next_run) == (first, first + timedelta(seconds=1))


async def test_what_is_not_due_waits(stores: Stores, schedules: Schedules, registry: Registry) -> None:
    schedule = await add(stores, schedules, every=3600.0)
    assert await make_due_ticks(stores, registry) == scheduler.LOOK_SECONDS
    assert await tasks_of(stores, schedule) == []


async def test_many_that_make_the_same_tick_make_one_task(
    stores: Stores, schedules: Schedules, registry: Registry
) -> None:
    schedule = await add(stores, schedules, catch_up=CatchUp.ALL)
    await back_date(stores, schedule, 60)
    await asyncio.gather(*(make_due_ticks(stores, registry) for _ in range(8)))
    made = ticks_of(await tasks_of(stores, schedule))
    assert len(made) == len(set(made))
    assert len(made) in {60, 61}


async def test_one_who_planned_long_ago_makes_nothing_again(
    stores: Stores, schedules: Schedules, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between its look and its statement, while another made the tick."""
    schedule = await add(stores, schedules)
    await back_date(stores, schedule, 1.2)
    await stale_and_fresh(stores, registry, monkeypatch)
    assert len(await tasks_of(stores, schedule)) == 1


async def stale_and_fresh(stores: Stores, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """One scheduler reads what is due; a second makes it; then the first goes on."""
    make, may_go, has_read = statements.make, asyncio.Event(), asyncio.Event()

    async def held(*args: Any, **kwargs: Any) -> Any:
        has_read.set()
        await may_go.wait()
        return await make(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(statements, "make", held)
        stale = asyncio.create_task(make_due_ticks(stores, registry))
        async with asyncio.timeout(10):
            await has_read.wait()
    await make_due_ticks(stores, registry)
    may_go.set()
    await stale


@pytest.mark.parametrize(("catch_up", "missed"), [(CatchUp.SKIP, 0), (CatchUp.ONE, 1), (CatchUp.ALL, 1_000)])
async def test_an_outage_is_caught_up_with_as_asked(
    stores: Stores, schedules: Schedules, registry: Registry, catch_up: CatchUp, missed: int
) -> None:
    schedule = await add(stores, schedules, catch_up=catch_up)
    first = await back_date(stores, schedule, 1_500)
    await make_due_ticks(stores, registry)
    ticks = ticks_of(await tasks_of(stores, schedule))
    assert len(ticks) - missed in {10, 11}, "those of the last ten seconds are on time"
    assert ticks == sorted(ticks)
    if catch_up is CatchUp.ALL:
        assert ticks[:missed] == [first + timedelta(seconds=n) for n in range(missed)]
    await make_due_ticks(stores, registry)
    again = await tasks_of(stores, schedule)
    assert len(again) - len(ticks) <= 2, "an outage is caught up with once"


async def test_a_pause_that_was_answered_holds_against_one_who_planned_before(
    stores: Stores, schedules: Schedules, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = await add(stores, schedules)
    await back_date(stores, schedule, 1.2)
    make = statements.make

    async def late(*args: Any, **kwargs: Any) -> Any:
        await schedules.change(DEFAULT_TENANT, schedule.id, {"enabled": False})
        return await make(*args, **kwargs)

    monkeypatch.setattr(statements, "make", late)
    await make_due_ticks(stores, registry)
    assert await tasks_of(stores, schedule) == []
    assert (await schedules.get(DEFAULT_TENANT, schedule.id)).next_run is None


async def test_a_resumed_schedule_goes_on_from_now(stores: Stores, schedules: Schedules, registry: Registry) -> None:
    schedule = await add(stores, schedules, catch_up=CatchUp.ALL)
    await back_date(stores, schedule, 100.3)
    await schedules.change(DEFAULT_TENANT, schedule.id, {"enabled": False})
    resumed = await schedules.change(DEFAULT_TENANT, schedule.id, {"enabled": True})
    assert resumed.next_run is not None
    assert resumed.next_run > resumed.updated_at
    await make_due_ticks(stores, registry)
    assert len(await tasks_of(stores, schedule)) <= 1


async def test_a_type_this_worker_does_not_know_is_left_to_another(
    stores: Stores, schedules: Schedules, registry: Registry
) -> None:
    schedule = await add(stores, schedules)
    await back_date(stores, schedule, 1.2)
    await make_due_ticks(stores, Registry(()))
    assert await tasks_of(stores, schedule) == []
    await make_due_ticks(stores, registry)
    assert len(await tasks_of(stores, schedule)) == 1


async def test_one_statement_takes_no_more_than_a_thousand_ticks(
    stores: Stores, schedules: Schedules, registry: Registry
) -> None:
    made = [await add(stores, schedules, name=f"s{n}", catch_up=CatchUp.ALL) for n in range(3)]
    for schedule in made:
        await back_date(stores, schedule, 700)
    assert await make_due_ticks(stores, registry) == 0.0
    assert sorted([bool(await tasks_of(stores, schedule)) for schedule in made]) == [False, True, True]
    assert await make_due_ticks(stores, registry) > 0
    assert all([await tasks_of(stores, schedule) for schedule in made])


async def test_a_made_tick_is_hinted(
    stores: Stores, schedules: Schedules, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    hinted: list[UUID] = []
    monkeypatch.setattr(stores, "hint", lambda hints: hinted.extend(one.task_id for one in hints))
    schedule = await add(stores, schedules)
    await back_date(stores, schedule, 1.2)
    await make_due_ticks(stores, registry)
    assert hinted == [task.id for task in await tasks_of(stores, schedule)]


async def test_old_ticks_are_forgotten_and_the_rest_kept(
    stores: Stores, schedules: Schedules, registry: Registry
) -> None:
    schedule = await add(stores, schedules, catch_up=CatchUp.ALL)
    await back_date(stores, schedule, 50)
    await make_due_ticks(stores, registry)
    aged = """
        UPDATE schedule_ticks SET created_at = created_at - interval '3 days'
        WHERE tick_at IN (SELECT tick_at FROM schedule_ticks ORDER BY tick_at LIMIT 20)
    """
    async with stores.db.autocommit() as session:
        before = (await session.execute(text("SELECT count(*) FROM schedule_ticks"))).scalar_one()
        await session.execute(text(aged))
    await prune_ticks(stores)
    async with stores.db.autocommit() as session:
        after = (await session.execute(text("SELECT count(*) FROM schedule_ticks"))).scalar_one()
    assert before - after == 20


async def test_without_the_ticks_primary_key_a_stale_scheduler_makes_a_second_task(
    stores: Stores, schedules: Schedules, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation: take the key away, and what is promised above is lost."""
    schedule = await add(stores, schedules)
    await back_date(stores, schedule, 1.2)
    async with stores.db.autocommit() as session:
        await session.execute(text("ALTER TABLE schedule_ticks DROP CONSTRAINT schedule_ticks_pkey"))
    try:
        await stale_and_fresh(stores, registry, monkeypatch)
        assert len(await tasks_of(stores, schedule)) == 2
    finally:
        async with stores.db.autocommit() as session:
            await session.execute(text("TRUNCATE schedule_ticks"))
            key = "ALTER TABLE schedule_ticks ADD CONSTRAINT schedule_ticks_pkey PRIMARY KEY (schedule_id, tick_at)"
            await session.execute(text(key))
