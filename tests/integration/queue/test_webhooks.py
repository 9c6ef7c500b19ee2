"""The outbox of webhooks: one delivery, written by the statement that ends a task, however it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from shared.domain.errors import NotFound
from shared.domain.states import Status
from shared.domain.task import Task
from shared.domain.verdict import cancelled, completed, failed
from shared.domain.webhooks import DeliveryState
from shared.queue.cancel import cancel
from shared.queue.liveness import rescue
from shared.queue.retry import retry
from shared.queue.settle import expire
from shared.queue.stores import Stores
from shared.queue.webhooks import claim, deliveries_of
from tests.support.deliveries import URL, one, only, taken
from tests.support.scenes.making import AT_ONCE, ERROR, die, ended, execute, running, submitted
from tests.support.verbs import TENANT

Way = Callable[[Stores], Awaitable[UUID]]


def by_settling(verdict: Any) -> Way:
    async def end(stores: Stores) -> UUID:
        run = await running(stores, callback_url=URL)
        await ended(stores, run, verdict)
        return run.id

    return end


async def by_a_cancel_while_it_waits(stores: Stores) -> UUID:
    task = await submitted(stores, callback_url=URL)
    await cancel(stores, TENANT, task.id)
    return task.id


async def by_a_cancel_before_a_retry(stores: Stores) -> UUID:
    run = await running(stores, callback_url=URL)
    await cancel(stores, TENANT, run.id)
    await ended(stores, run, AT_ONCE)
    return run.id


async def by_a_cancel_of_a_lost_run(stores: Stores) -> UUID:
    run = await running(stores, callback_url=URL)
    await cancel(stores, TENANT, run.id)
    await die(stores)
    await rescue(stores)
    return run.id


async def by_one_loss_too_many(stores: Stores) -> UUID:
    run = await running(stores, callback_url=URL)
    await execute(stores, "UPDATE tasks SET losses = 9")
    await die(stores)
    await rescue(stores)
    return run.id


async def by_expiry(stores: Stores) -> UUID:
    task = await submitted(stores, callback_url=URL)
    await execute(stores, "UPDATE tasks SET expires_at = now()")
    await expire(stores)
    return task.id


@pytest.mark.parametrize(
    ("end", "event"),
    [
        (by_settling(completed("1")), "task.completed"),
        (by_settling(failed(ERROR)), "task.failed"),
        (by_settling(cancelled()), "task.cancelled"),
        (by_a_cancel_while_it_waits, "task.cancelled"),
        (by_a_cancel_before_a_retry, "task.cancelled"),
        (by_a_cancel_of_a_lost_run, "task.cancelled"),
        (by_one_loss_too_many, "task.failed"),
        (by_expiry, "task.failed"),
    ],
)
async def test_however_a_task_ends_one_delivery_is_written_with_it(stores: Stores, end: Way, event: str) -> None:
    task_id = await end(stores)
    delivery = await only(stores, task_id)
    assert (delivery.type, delivery.url, delivery.generation) == (event, URL, 1)
    assert (delivery.state, delivery.attempt, delivery.attempts) == (DeliveryState.WAITING, 0, [])
    assert (delivery.id.version, delivery.id.variant) == (7, uuid4().variant)


async def test_a_task_without_a_callback_and_one_that_has_not_ended_have_none(stores: Stores) -> None:
    silent = await running(stores)
    await ended(stores, silent, completed("1"))
    again = await running(stores, callback_url=URL)
    await ended(stores, again, AT_ONCE)
    for run in (silent, again):
        assert await deliveries_of(stores, TENANT, run.id) == []
    for nothing in (uuid4(), silent.id):
        with pytest.raises(NotFound):
            await deliveries_of(stores, TENANT if nothing != silent.id else TENANT + 1, nothing)


@pytest.mark.parametrize("url", ["", "nonsense", "://", "https://", "?", "https:////"])
async def test_no_callback_keeps_a_task_from_ending(stores: Stores, url: str) -> None:
    run = await running(stores, callback_url=url)
    assert await ended(stores, run, completed("1")) is not None
    assert (await only(stores, run.id)).url == url
    assert (await taken(stores)).subject.id == run.id


async def test_a_settle_that_is_repeated_tells_once(stores: Stores) -> None:
    run = await running(stores, callback_url=URL)
    for _ in range(3):
        await ended(stores, run, completed("1"))
    first = await only(stores, run.id)
    assert first.type == "task.completed"


async def test_each_generation_is_told_under_its_own_id_as_it_ended(stores: Stores) -> None:
    run = await running(stores, callback_url=URL)
    await ended(stores, run, failed(ERROR))
    await retry(stores, TENANT, run.id)
    delivery = await taken(stores)
    shown = delivery.subject
    assert isinstance(shown, Task)
    assert (shown.status, shown.generation, shown.attempt, shown.error) == (Status.FAILED, 1, 1, ERROR)
    assert shown.finished_at is not None
    await cancel(stores, TENANT, run.id)
    first, second = await deliveries_of(stores, TENANT, run.id)
    assert (first.type, second.type, second.generation) == ("task.failed", "task.cancelled", 2)
    assert first.id != second.id


async def test_deliveries_leave_with_their_task(stores: Stores) -> None:
    await one(stores)
    await execute(stores, "DELETE FROM tasks")
    assert await claim(stores, most=10) == []
    async with stores.db.autocommit() as session:
        assert (await session.execute(text("SELECT count(*) FROM webhook_deliveries"))).scalar_one() == 0
