"""Schedulers that get in each other's way, and changes that come between a scheduler's look and its statement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from sqlalchemy import text

from shared.db.statements import ticks as statements
from shared.domain.schedule import Schedule
from shared.queue.scheduler import make_due_ticks
from shared.queue.schedules import Schedules, Wanted
from shared.queue.stores import Stores
from shared.registry import discover
from tests.support.verbs import TENANT

REGISTRY = discover()
ADD = {"a": 1, "b": 2, "operation": "add"}
MOVE = """
    UPDATE schedules SET created_at = created_at - make_interval(secs => :seconds),
                         next_run = next_run - make_interval(secs => :seconds)
    WHERE id = :id RETURNING next_run
"""
MADE = "SELECT count(*) FROM tasks WHERE metadata ->> 'schedule_id' = :id"


async def scheduled(stores: Stores, **wanted: Any) -> Schedule:
    """A schedule of every second, unless told otherwise."""
    given = {"name": "often", "type": "simple_calculation", "input": ADD, "every": 1.0, **wanted}
    async with stores.db.autocommit() as session:
        return await Schedules(stores, REGISTRY).create(session, TENANT, Wanted(**given))


async def back_dated(stores: Stores, schedule: Schedule, seconds: float) -> datetime:
    """Let it have been made so many seconds earlier, and nobody there since; its first tick."""
    async with stores.db.autocommit() as session:
        first: datetime = (await session.execute(text(MOVE), {"id": schedule.id, "seconds": seconds})).scalar_one()
    return first


async def count_of(stores: Stores, schedule: Schedule) -> int:
    """Tasks that its ticks made."""
    async with stores.db.autocommit() as session:
        return int((await session.execute(text(MADE), {"id": str(schedule.id)})).scalar_one())


@asynccontextmanager
async def held_before_its_statement(stores: Stores) -> AsyncIterator[None]:
    """A scheduler that has read what is due, and goes on when the block ends: whatever happened in it."""
    make, may_go, has_read = statements.make, asyncio.Event(), asyncio.Event()

    async def held(*args: Any, **kwargs: Any) -> Any:
        has_read.set()
        await may_go.wait()
        return await make(*args, **kwargs)

    with patch.object(statements, "make", held):
        stale = asyncio.create_task(make_due_ticks(stores, REGISTRY))
        async with asyncio.timeout(10):
            await has_read.wait()
    yield
    may_go.set()
    await stale


async def a_stale_scheduler_comes_second(stores: Stores) -> None:
    schedule = await scheduled(stores)
    await back_dated(stores, schedule, 1.2)
    async with held_before_its_statement(stores):
        await make_due_ticks(stores, REGISTRY)
    assert await count_of(stores, schedule) == 1, "a tick made two tasks"


async def a_pause_comes_between(stores: Stores) -> None:
    schedule = await scheduled(stores)
    await back_dated(stores, schedule, 1.2)
    async with held_before_its_statement(stores):
        await Schedules(stores, REGISTRY).change(TENANT, schedule.id, {"enabled": False})
    assert await count_of(stores, schedule) == 0, "a paused schedule made a task"


async def a_change_comes_between(stores: Stores) -> None:
    schedule = await scheduled(stores)
    await back_dated(stores, schedule, 1.2)
    async with held_before_its_statement(stores):
        await Schedules(stores, REGISTRY).change(TENANT, schedule.id, {"every": 3_600.0})
    assert await count_of(stores, schedule) == 0, "a timing of before made a task"
