"""What people ask for, what an attempt costs, and what the database refuses."""

from __future__ import annotations

import asyncio

from sqlalchemy.exc import IntegrityError

from shared.db.statements import liveness as statements
from shared.domain.errors import Conflict
from shared.domain.states import Status
from shared.domain.verdict import completed, failed, released
from shared.queue.cancel import cancel
from shared.queue.liveness import rescue
from shared.queue.retry import retry
from shared.queue.stores import Stores
from tests.support.model import observe
from tests.support.scenes.making import (
    AT_ONCE,
    ERROR,
    Scene,
    by_hint,
    die,
    ended,
    execute,
    row,
    running,
    submitted,
)
from tests.support.stores import registered
from tests.support.verbs import TENANT


async def a_cancelled_run_would_be_retried(stores: Stores) -> None:
    run = await running(stores)
    await cancel(stores, TENANT, run.id)
    await ended(stores, run, AT_ONCE)
    assert (await row(stores, run.id)).status is Status.CANCELLED, "a 202 runs again"


async def a_cancelled_run_is_lost(stores: Stores) -> None:
    run = await running(stores)
    await cancel(stores, TENANT, run.id)
    await die(stores)
    await rescue(stores)
    assert (await row(stores, run.id)).status is Status.CANCELLED, "a 202 runs again"


async def a_waiting_task_is_retried(stores: Stores) -> None:
    task = await submitted(stores)
    try:
        await retry(stores, TENANT, task.id)
    except Conflict:
        return
    raise AssertionError("a generation began by itself")


async def one_key_comes_twice_at_once(stores: Stores) -> None:
    await asyncio.gather(*(submitted(stores, unique_key=b"one") for _ in range(16)), return_exceptions=True)
    assert len(await observe(stores)) == 1, "two tasks with one key"


async def a_retry_meets_a_newer_task(stores: Stores) -> None:
    old = await running(stores, unique_key=b"one")
    await ended(stores, old, failed(ERROR))
    await submitted(stores, unique_key=b"one")
    try:
        await retry(stores, TENANT, old.id)
    except Conflict:
        return
    raise AssertionError("two tasks with one key")


async def a_run_is_given_back(stores: Stores) -> None:
    run = await running(stores)
    await ended(stores, run, released())
    assert (await row(stores, run.id)).attempt == 0, "a released run cost an attempt"


async def a_run_is_lost(stores: Stores) -> None:
    run = await running(stores)
    await die(stores)
    await rescue(stores)
    assert (await row(stores, run.id)).attempt == 0, "a lost run cost an attempt"


async def a_task_is_lost_for_ever(stores: Stores) -> None:
    task = await submitted(stores)
    for _ in range(statements.MOST_LOSSES):
        await by_hint(stores, await registered(stores), task.id)
        await die(stores)
        await rescue(stores)
    assert (await row(stores, task.id)).status is Status.FAILED, "a task outlives every loss"


def somebody_writes(statement: str) -> Scene:
    """By hand, past every verb, to a task that completed."""

    async def scene(stores: Stores) -> None:
        run = await running(stores)
        await ended(stores, run, completed("1"))
        try:
            await execute(stores, statement)
        except IntegrityError:
            return
        raise AssertionError("the database took it")

    return scene
