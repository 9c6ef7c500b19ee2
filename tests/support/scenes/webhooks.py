"""Webhooks that meet: couriers that claim at once or speak too late, a crowd at one host, a replay in the middle."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from shared.domain.errors import Conflict
from shared.domain.verdict import completed
from shared.domain.webhooks import Attempted, Delivery, DeliveryState
from shared.queue.stores import Stores
from shared.queue.webhooks import MOST_OF_A_LANE, claim, deliveries_of, delivery_page, record, replay
from tests.support.scenes.making import ended, execute, running
from tests.support.verbs import TENANT, until_met, within

BROKEN = Attempted(500, None, 0.1, retry_after=timedelta(hours=1))


async def told(stores: Stores) -> UUID:
    """A task that has ended, and is to be told."""
    run = await running(stores, callback_url="https://hooks.example/")
    await ended(stores, run, completed("1"))
    return run.id


async def only(stores: Stores, task_id: UUID) -> Delivery:
    [found] = await deliveries_of(stores, TENANT, task_id)
    return found


async def an_end_is_told(stores: Stores) -> None:
    task_id = await told(stores)
    assert len(await deliveries_of(stores, TENANT, task_id)) == 1, "nobody will be told of an end"


async def a_late_courier_records(stores: Stores) -> None:
    task_id = await told(stores)
    [late] = await claim(stores, most=1)
    await execute(stores, "UPDATE webhook_deliveries SET due_at = now()")
    await claim(stores, most=1)
    await record(stores, late, BROKEN)
    assert (await only(stores, task_id)).attempt == 0, "a late courier spoke for another"


async def two_couriers_meet(stores: Stores) -> None:
    await told(stores)
    async with stores.db.transaction() as session:
        assert len(await claim(within(stores, session), most=1)) == 1
        other = asyncio.ensure_future(claim(stores, most=1))
        await until_met(session, other)
        has_waited = not other.done()
    assert await other == [], "two couriers carry one delivery"
    assert not has_waited, "a courier waited for a lock"


async def a_crowd_for_one_host(stores: Stores) -> None:
    for _ in range(MOST_OF_A_LANE + 1):
        await told(stores)
    await claim(stores, most=MOST_OF_A_LANE)
    assert await claim(stores, most=MOST_OF_A_LANE) == [], "a host is called by more than its limit"


async def a_delivery_waits_for_its_time(stores: Stores) -> None:
    await told(stores)
    [delivery] = await claim(stores, most=1)
    await record(stores, delivery, BROKEN)
    assert await claim(stores, most=1) == [], "a delivery was tried before its time"


async def a_replay_comes_in_the_middle(stores: Stores) -> None:
    task_id = await told(stores)
    await claim(stores, most=1)
    [refusal] = await asyncio.gather(replay(stores, TENANT, (await only(stores, task_id)).id), return_exceptions=True)
    assert isinstance(refusal, Conflict), "a delivery was begun a second time"


async def another_tenant_lists(stores: Stores) -> None:
    await told(stores)
    assert await delivery_page(stores, TENANT + 1, limit=10) == [], "a tenant saw another's webhooks"


async def a_receiver_wants_no_more(stores: Stores) -> None:
    task_id = await told(stores)
    [delivery] = await claim(stores, most=1)
    await execute(
        stores,
        "INSERT INTO webhook_deliveries (id, tenant_id, task_id, generation, type, url, endpoint, snapshot)"
        " SELECT gen_random_uuid(), tenant_id, task_id, 2, type, url, endpoint, snapshot FROM webhook_deliveries",
    )
    await record(stores, delivery, Attempted(410, None, 0.1))
    states = {found.state for found in await deliveries_of(stores, TENANT, task_id)}
    assert states == {DeliveryState.GONE}, "a receiver that wants no more is told more"
