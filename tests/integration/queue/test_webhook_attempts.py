"""Deliveries are taken by lease, lane by lane, tried by a schedule, recorded by lease, and replayed by people."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.statements import webhooks as statements
from shared.domain.errors import Conflict, NotFound
from shared.domain.verdict import failed
from shared.domain.webhooks import SCHEDULE, Attempted, DeliveryState
from shared.queue.cancel import cancel
from shared.queue.retry import retry
from shared.queue.stores import Stores
from shared.queue.webhooks import MOST_OF_A_LANE, claim, deliveries_of, give_back, record, replay
from tests.support.deliveries import BROKEN, GONE, OK, URL, due_again, one, only, taken
from tests.support.scenes.making import ERROR, ended, running
from tests.support.verbs import TENANT

# A dead host with 10,000 that are due, 8 more under way to it, and 10,000 other hosts with one each for tomorrow.
CROWD = """
    WITH made AS (
        INSERT INTO tasks (id, tenant_id, type, queue, priority, max_attempts, timeout, input)
        SELECT gen_random_uuid(), 1, 't', 'q', 5, 4, 60, '{}' FROM generate_series(1, 20008) RETURNING id
    ), numbered AS (
        SELECT id, row_number() OVER () AS n FROM made
    )
    INSERT INTO webhook_deliveries
        (id, tenant_id, task_id, generation, type, url, endpoint, snapshot, due_at, is_due, lease)
    SELECT id, 1, id, 1, 'task.failed', 'https://a', CASE WHEN n <= 10008 THEN 'a' ELSE 'b' || n END, '{}',
           now() + CASE WHEN n <= 10000 THEN interval '0' ELSE interval '1 day' END, n <= 10000,
           CASE WHEN n BETWEEN 10001 AND 10008 THEN id END
    FROM numbered
"""


async def test_a_claimed_delivery_is_nobody_elses_until_its_lease_ends(stores: Stores) -> None:
    task_id = await one(stores)
    first = await taken(stores, lease_seconds=0.2)
    assert first.subject.id == task_id
    assert await claim(stores, most=10) == []
    await asyncio.sleep(0.25)
    second = await taken(stores)
    assert await record(stores, first, OK) is None, "a late word of the first counts for nothing"
    assert await record(stores, second, BROKEN) is DeliveryState.WAITING
    assert (await only(stores, task_id)).attempt == 1


async def test_workers_that_claim_at_once_share_the_deliveries(stores: Stores) -> None:
    for n in range(12):
        await one(stores, f"https://{n}.example/")
    parts = await asyncio.gather(*(claim(stores, most=6) for _ in range(4)))
    ids = [delivery.id for part in parts for delivery in part]
    assert len(ids) == len(set(ids)) == 12


async def test_what_is_given_back_is_due_at_once(stores: Stores) -> None:
    await one(stores)
    await give_back(stores, await taken(stores))
    assert (await taken(stores)).step == 0


async def test_a_lane_has_a_limit_and_no_lane_waits_for_another(stores: Stores) -> None:
    for _ in range(MOST_OF_A_LANE + 3):
        await one(stores, "https://dead.example/")
    for n in range(2):
        await one(stores, f"https://DEAD.example:{n + 1}/")
    got = await claim(stores, most=100)
    lanes = [delivery.endpoint for delivery in got]
    assert lanes == ["dead.example"] * MOST_OF_A_LANE + ["dead.example:1", "dead.example:2"]
    assert await claim(stores, most=100) == []
    await record(stores, got[0], OK)
    [following] = await claim(stores, most=100)
    assert following.endpoint == "dead.example"


async def test_a_claim_goes_on_behind_the_lane_it_ended_with(stores: Stores) -> None:
    for name in "abc":
        for _ in range(2):
            await one(stores, f"https://{name}.example/")
    first = await claim(stores, most=1)
    after = (first[-1].tenant_id, first[-1].endpoint)
    assert [d.endpoint for d in await claim(stores, most=10, after=after)] == ["b.example"] * 2 + ["c.example"] * 2
    assert [d.endpoint for d in await claim(stores, most=10)] == ["a.example"]


async def test_a_delivery_that_fails_waits_for_its_turn_in_the_schedule(stores: Stores) -> None:
    task_id = await one(stores)
    await record(stores, await taken(stores), Attempted(503, None, 0.5, timedelta(seconds=90)))
    assert await claim(stores, most=1) == []
    delivery = await only(stores, task_id)
    assert delivery.due_at is not None
    [attempt] = delivery.attempts
    assert (attempt["status"], attempt["error"], attempt["duration"]) == (503, None, 0.5)
    assert timedelta(seconds=89) < delivery.due_at - delivery.created_at < timedelta(seconds=120)


async def test_after_the_whole_schedule_it_failed_and_a_replay_begins_anew(stores: Stores) -> None:
    task_id = await one(stores)
    for _ in SCHEDULE:
        await due_again(stores)
        await record(stores, await taken(stores), BROKEN)
    ended_as = await only(stores, task_id)
    assert (ended_as.state, ended_as.attempt) == (DeliveryState.FAILED, len(SCHEDULE))
    assert ended_as.due_at is None
    replayed = await replay(stores, TENANT, ended_as.id)
    assert (replayed.id, replayed.state) == (ended_as.id, DeliveryState.WAITING)
    delivery = await taken(stores)
    assert (delivery.id, delivery.step) == (ended_as.id, 0)
    assert await record(stores, delivery, OK) is DeliveryState.DELIVERED


async def test_only_the_last_attempts_are_kept(stores: Stores) -> None:
    task_id = await one(stores)
    for _ in range(25):
        delivery = await only(stores, task_id)
        await replay(stores, TENANT, delivery.id)
        await record(stores, await taken(stores), OK)
    delivery = await only(stores, task_id)
    assert (delivery.attempt, len(delivery.attempts)) == (25, 20)
    assert [a["at"] for a in delivery.attempts] == sorted(a["at"] for a in delivery.attempts)


async def test_a_replay_is_refused_while_an_attempt_is_under_way_and_to_other_tenants(stores: Stores) -> None:
    delivery = await only(stores, await one(stores))
    held = await taken(stores)
    with pytest.raises(Conflict):
        await replay(stores, TENANT, delivery.id)
    await record(stores, held, OK)
    for tenant, delivery_id in ((TENANT + 1, delivery.id), (TENANT, uuid4())):
        with pytest.raises(NotFound):
            await replay(stores, tenant, delivery_id)


async def test_410_stops_what_the_task_would_still_tell_and_a_person_may_ask_again(stores: Stores) -> None:
    run = await running(stores, callback_url=URL)
    other = await one(stores)
    await ended(stores, run, failed(ERROR))
    await retry(stores, TENANT, run.id)
    await cancel(stores, TENANT, run.id)
    first, second = await deliveries_of(stores, TENANT, run.id)
    held = next(d for d in await claim(stores, most=10) if d.id == first.id)
    await record(stores, held, GONE)
    assert [d.state for d in await deliveries_of(stores, TENANT, run.id)] == [DeliveryState.GONE] * 2
    await retry(stores, TENANT, run.id)
    await cancel(stores, TENANT, run.id)
    assert [d.state for d in await deliveries_of(stores, TENANT, run.id)] == [DeliveryState.GONE] * 3
    assert (await only(stores, other)).state is DeliveryState.WAITING, "another task's are still sent"
    assert (await replay(stores, TENANT, second.id)).state is DeliveryState.WAITING


async def test_what_waits_by_the_thousands_costs_a_claim_nothing(stores: Stores) -> None:
    await one(stores)
    async with stores.db.transaction() as session:
        await session.execute(text(CROWD))
        await session.execute(text("ANALYZE webhook_deliveries"))
        parameters = {"lease": uuid4(), "lease_seconds": 9.0, "most": 16, "most_of_a_lane": MOST_OF_A_LANE}
        walk = {"tenant_id": 0, "endpoint": ""}
        claimed = await explained(session, statements.CLAIM, {**parameters, **walk})
        staged = await explained(session, statements.STAGE, {"most": 500})
        await session.rollback()
    assert claimed["Actual Rows"] == 1, "of the other host, and none of the dead one's"
    assert claimed["Shared Hit Blocks"] < 100, "their index alone has more pages"
    assert staged["Shared Hit Blocks"] < 20


async def explained(session: AsyncSession, statement: TextClause, parameters: dict[str, Any]) -> dict[str, Any]:
    """The top of the plan, as it was executed."""
    explain = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}")
    [found] = (await session.execute(explain, parameters)).scalar_one()
    plan: dict[str, Any] = found["Plan"]
    return plan
