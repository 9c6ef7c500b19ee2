"""The scheduler's verb over real stores: one task per tick, whoever tries how often."""

from __future__ import annotations

import asyncio
import copy
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.domain.schedule import CatchUp, Schedule
from shared.domain.task import DEFAULT_TENANT, Task, TaskFilter
from shared.queue import scheduler
from shared.queue.lookup import list_tasks
from shared.queue.scheduler import make_due_ticks, prune_ticks
from shared.queue.schedules import Schedules
from shared.queue.stores import Stores
from shared.registry import Registry
from tests.support.scenes import ticking
from tests.support.scenes.ticking import ADD, REGISTRY, back_dated, count_of, scheduled
from tests.support.stores import empty


@pytest.fixture
def schedules(stores: Stores) -> Schedules:
    return Schedules(stores, REGISTRY)


async def tasks_of(stores: Stores, schedule: Schedule) -> list[Task]:
    wanted = TaskFilter(tags=(f"schedule:{schedule.name}",))
    tasks, _ = await list_tasks(stores, DEFAULT_TENANT, wanted, limit=2_000)
    return [*reversed(tasks)]


def ticks_of(tasks: list[Task]) -> list[datetime]:
    return [datetime.fromisoformat(task.metadata["tick"]) for task in tasks]


async def test_a_due_tick_becomes_one_task_and_the_next_is_set(stores: Stores, schedules: Schedules) -> None:
    schedule = await scheduled(stores)
    first = await back_dated(stores, schedule, 1.5)
    wait = await make_due_ticks(stores, REGISTRY)
    assert 0 < wait <= scheduler.LOOK_SECONDS
    [task] = await tasks_of(stores, schedule)
    assert ticks_of([task]) == [first]
    assert task.metadata["schedule_id"] == str(schedule.id)
    assert (task.type, task.input, task.queue, task.max_attempts) == ("simple_calculation", ADD, "demo_tasks", 4)
    now = await schedules.get(DEFAULT_TENANT, schedule.id)
    assert (now.last_run, now.next_run) == (first, first + timedelta(seconds=1))


async def test_the_task_of_a_tick_has_the_limits_of_its_queue(stores: Stores) -> None:
    schedule = await scheduled(stores)
    await back_dated(stores, schedule, 1.5)
    limited = copy.copy(stores)
    limited.settings = stores.settings.model_copy(update={"queue_concurrency": {"demo_tasks": 2}})
    await make_due_ticks(limited, REGISTRY)
    [task] = await tasks_of(stores, schedule)
    assert task.limits == "queue:demo_tasks"


async def test_what_is_not_due_waits(stores: Stores) -> None:
    schedule = await scheduled(stores, every=3600.0)
    assert await make_due_ticks(stores, REGISTRY) == scheduler.LOOK_SECONDS
    assert await tasks_of(stores, schedule) == []


async def test_many_that_make_the_same_tick_make_one_task(stores: Stores) -> None:
    schedule = await scheduled(stores, catch_up=CatchUp.ALL)
    await back_dated(stores, schedule, 60)
    await asyncio.gather(*(make_due_ticks(stores, REGISTRY) for _ in range(8)))
    made = ticks_of(await tasks_of(stores, schedule))
    assert len(made) == len(set(made))
    assert len(made) in {60, 61}


async def test_one_who_planned_long_ago_makes_nothing_again(stores: Stores) -> None:
    await ticking.a_stale_scheduler_comes_second(stores)


async def test_a_pause_or_a_change_that_was_answered_holds_against_one_who_planned_before(stores: Stores) -> None:
    await ticking.a_pause_comes_between(stores)
    await empty(stores)
    await ticking.a_change_comes_between(stores)


@pytest.mark.parametrize(("catch_up", "missed"), [(CatchUp.SKIP, 0), (CatchUp.ONE, 1), (CatchUp.ALL, 1_000)])
async def test_an_outage_is_caught_up_with_as_asked(stores: Stores, catch_up: CatchUp, missed: int) -> None:
    schedule = await scheduled(stores, catch_up=catch_up)
    first = await back_dated(stores, schedule, 1_500)
    await make_due_ticks(stores, REGISTRY)
    ticks = ticks_of(await tasks_of(stores, schedule))
    assert len(ticks) - missed in {10, 11}, "those of the last ten seconds are on time"
    assert ticks == sorted(ticks)
    if catch_up is CatchUp.ALL:
        assert ticks[:missed] == [first + timedelta(seconds=n) for n in range(missed)]
    await make_due_ticks(stores, REGISTRY)
    again = await tasks_of(stores, schedule)
    assert len(again) - len(ticks) <= 2, "an outage is caught up with once"


async def test_in_a_storm_of_pauses_none_that_was_answered_is_followed_by_a_tick(
    stores: Stores, schedules: Schedules
) -> None:
    schedule = await scheduled(stores, catch_up=CatchUp.ALL)
    made = []
    for _ in range(12):
        await schedules.change(DEFAULT_TENANT, schedule.id, {"enabled": True})
        await back_dated(stores, schedule, 3)
        racing = [asyncio.create_task(make_due_ticks(stores, REGISTRY)) for _ in range(4)]
        await schedules.change(DEFAULT_TENANT, schedule.id, {"enabled": False})
        made.append(await count_of(stores, schedule))
        await asyncio.gather(*racing)
        assert await count_of(stores, schedule) == made[-1]


async def test_a_resumed_schedule_goes_on_from_now(stores: Stores, schedules: Schedules) -> None:
    schedule = await scheduled(stores, catch_up=CatchUp.ALL)
    await back_dated(stores, schedule, 100.3)
    await schedules.change(DEFAULT_TENANT, schedule.id, {"enabled": False})
    resumed = await schedules.change(DEFAULT_TENANT, schedule.id, {"enabled": True})
    assert resumed.next_run is not None
    assert resumed.next_run > resumed.updated_at
    await make_due_ticks(stores, REGISTRY)
    assert len(await tasks_of(stores, schedule)) <= 1


async def test_a_type_this_worker_does_not_know_is_left_to_another(stores: Stores) -> None:
    schedule = await scheduled(stores)
    await back_dated(stores, schedule, 1.2)
    await make_due_ticks(stores, Registry(()))
    assert await tasks_of(stores, schedule) == []
    await make_due_ticks(stores, REGISTRY)
    assert len(await tasks_of(stores, schedule)) == 1


async def test_one_statement_takes_no_more_than_a_thousand_ticks(stores: Stores) -> None:
    made = [await scheduled(stores, name=f"s{n}", catch_up=CatchUp.ALL) for n in range(3)]
    for schedule in made:
        await back_dated(stores, schedule, 700)
    assert await make_due_ticks(stores, REGISTRY) == 0.0
    assert sorted([bool(await tasks_of(stores, schedule)) for schedule in made]) == [False, True, True]
    assert await make_due_ticks(stores, REGISTRY) > 0
    assert all([await tasks_of(stores, schedule) for schedule in made])


async def test_a_made_tick_is_hinted(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    hinted: list[UUID] = []
    monkeypatch.setattr(stores, "hint", lambda hints: hinted.extend(one.task_id for one in hints))
    schedule = await scheduled(stores)
    await back_dated(stores, schedule, 1.2)
    await make_due_ticks(stores, REGISTRY)
    assert hinted == [task.id for task in await tasks_of(stores, schedule)]


async def test_old_ticks_are_forgotten_and_the_rest_kept(stores: Stores) -> None:
    schedule = await scheduled(stores, catch_up=CatchUp.ALL)
    await back_dated(stores, schedule, 50)
    await make_due_ticks(stores, REGISTRY)
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
