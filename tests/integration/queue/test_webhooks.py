"""The outbox of webhooks: one delivery however a task ends, taken by lease, recorded by lease, lane by lane."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.statements import webhooks as statements
from shared.domain.errors import Conflict, NotFound
from shared.domain.states import Status
from shared.domain.task import Task
from shared.domain.verdict import cancelled, completed, failed
from shared.domain.webhooks import SCHEDULE, Attempted, ClaimedDelivery, Delivery, DeliveryState
from shared.queue.cancel import cancel
from shared.queue.liveness import rescue
from shared.queue.retry import retry
from shared.queue.settle import expire
from shared.queue.stores import Stores
from shared.queue.webhook_secrets import MOST_VALID, prune_secrets, rotate_secret, valid_secrets
from shared.queue.webhooks import MOST_OF_A_LANE, claim, deliveries_of, give_back, record, replay
from tests.support.scenes.making import AT_ONCE, ERROR, die, ended, execute, running, submitted
from tests.support.verbs import TENANT

URL = "https://hooks.example/a?b=c"
OK, BROKEN, GONE = (Attempted(status, None, 0.25) for status in (204, 500, 410))
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


async def one(stores: Stores, url: str = URL) -> UUID:
    """A task that has ended, and is to be told."""
    run = await running(stores, callback_url=url)
    await ended(stores, run, completed('{"n": 1}'))
    return run.id


async def only(stores: Stores, task_id: UUID) -> Delivery:
    [found] = await deliveries_of(stores, TENANT, task_id)
    return found


async def taken(stores: Stores, **given: Any) -> ClaimedDelivery:
    [delivery] = await claim(stores, **{"most": 10, **given})
    return delivery


async def due_again(stores: Stores) -> None:
    await execute(stores, "UPDATE webhook_deliveries SET due_at = now()")


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


async def test_deliveries_leave_with_their_task(stores: Stores) -> None:
    await one(stores)
    await execute(stores, "DELETE FROM tasks")
    assert await claim(stores, most=10) == []
    async with stores.db.autocommit() as session:
        assert (await session.execute(text("SELECT count(*) FROM webhook_deliveries"))).scalar_one() == 0


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


async def test_a_tenant_has_one_secret_however_many_ask_first(stores: Stores) -> None:
    found = await asyncio.gather(*(valid_secrets(stores, TENANT) for _ in range(5)))
    assert len({secrets[0].text for secrets in found}) == 1
    assert found[0][0].text.startswith("whsec_")
    async with stores.db.autocommit() as session:
        stored = (await session.execute(text("SELECT salt FROM webhook_secrets"))).scalars().all()
    assert len(stored) == 1
    assert stored[0].hex() not in found[0][0].text, "the table alone signs nothing"


async def test_a_rotated_secret_signs_for_a_day(stores: Stores) -> None:
    [before] = await valid_secrets(stores, TENANT)
    now, previous = await rotate_secret(stores, TENANT)
    assert (previous.text, now.expires_at) == (before.text, None)
    assert now.text != before.text
    assert previous.expires_at is not None
    assert timedelta(hours=23, minutes=59) < previous.expires_at - now.created_at < timedelta(hours=24, minutes=1)
    await execute(stores, "UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL")
    assert [s.text for s in await valid_secrets(stores, TENANT)] == [now.text]
    await prune_secrets(stores)
    assert [s.text for s in await valid_secrets(stores, TENANT)] == [now.text]


async def test_rotations_at_once_and_without_end_are_refused(stores: Stores) -> None:
    await valid_secrets(stores, TENANT)
    done = await asyncio.gather(*(rotate_secret(stores, TENANT) for _ in range(3)), return_exceptions=True)
    assert any(isinstance(one, list) for one in done)
    while len(secrets := await valid_secrets(stores, TENANT)) < MOST_VALID:
        await rotate_secret(stores, TENANT)
    assert [s.expires_at is None for s in secrets] == [True] + [False] * (MOST_VALID - 1)
    with pytest.raises(Conflict):
        await rotate_secret(stores, TENANT)
