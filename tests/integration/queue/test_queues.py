"""Queues over the real stores: counts that stay cheap, pause and resume, and a purge that can be stopped anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from shared.broker.clock import redis_seconds
from shared.broker.keys import THROUGHPUT_TTL_SECONDS, throughput_key
from shared.broker.throughput import count_ended
from shared.db.statements import queues as statements
from shared.domain.errors import NotFound
from shared.domain.states import Status
from shared.domain.task import NewTask, Task
from shared.embedded.ports import free_port
from shared.queue import queues
from shared.queue.claim import Claimant, claim_hinted, claim_next
from shared.queue.lookup import get_task, wait_final
from shared.queue.queues import QueueState, list_queues, pause, purge, resume, would_purge
from shared.queue.stats import minutes
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.settings import Settings
from tests.integration.worker.conftest import eventually

Planned = Callable[..., NewTask]
OURS, THEIRS = 1, 2
QUEUE = "demo_tasks"
SERVED = ("urgent", QUEUE)
OTHER_TENANT = "INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING"


@pytest_asyncio.fixture
async def two_tenants(stores: Stores) -> AsyncIterator[None]:
    await run(stores, OTHER_TENANT)
    yield
    await run(stores, "TRUNCATE tasks, attempts, queues CASCADE")
    await run(stores, "DELETE FROM tenants WHERE id = 2")


async def run(stores: Stores, statement: str, **given: Any) -> None:
    async with stores.db.autocommit() as session:
        await session.execute(text(statement), given)


async def of(stores: Stores, name: str = QUEUE, tenant_id: int = OURS) -> QueueState:
    return await queues.get_queue(stores, tenant_id, SERVED, name)


async def statuses(stores: Stores, tenant_id: int = OURS) -> dict[str, int]:
    counts = text("SELECT status, count(*) AS number FROM tasks WHERE tenant_id = :tenant GROUP BY status")
    async with stores.db.autocommit() as session:
        return {row.status: row.number for row in await session.execute(counts, {"tenant": tenant_id})}


async def test_a_queue_tells_what_is_due_what_is_not_and_what_runs(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    await submit(stores, OURS, [planned(priority=n) for n in range(10)])
    await submit(stores, OURS, [planned(delay=3_600.0), planned(delay=60.0), planned(queue="ai_processing")])
    await claim_next(stores, claimant, 3)
    await run(stores, "UPDATE tasks SET run_at = now() - interval '90 s' WHERE status = 'PENDING' AND priority = 9")
    found = {queue.name: queue for queue in await list_queues(stores, OURS, SERVED)}
    assert list(found) == ["urgent", QUEUE, "ai_processing"], "those served first, then where something waits"
    demo = found[QUEUE]
    assert (demo.load.waiting, demo.load.delayed, demo.load.is_cut) == (8, 2, False)
    assert demo.load.oldest_age is not None
    assert 90 <= demo.load.oldest_age < 150
    assert (found["urgent"].load.waiting, found["urgent"].load.oldest_age) == (0, None)
    assert sum(queue.running for queue in found.values()) == 3


async def test_a_large_count_is_cut_and_says_so(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "MOST_COUNTED", 5)
    await submit(stores, OURS, [planned() for _ in range(4)])
    exact = await of(stores)
    assert (exact.load.waiting, exact.load.is_cut) == (4, False)
    await submit(stores, OURS, [planned() for _ in range(6)])
    cut = await of(stores)
    assert (cut.load.waiting, cut.load.is_cut) == (5, True)
    assert (await would_purge(stores, OURS, QUEUE)).has_more


async def test_throughput_is_what_ended_lately_and_unknown_without_redis(stores: Stores, settings: Settings) -> None:
    assert (await of(stores)).throughput == 0
    for _ in range(3):
        assert await count_ended(stores.broker, {(OURS, QUEUE): 100, (THEIRS, QUEUE): 7})
    rate = (await of(stores)).throughput
    assert rate is not None
    assert 300 / 70 <= rate <= 300 / 60
    for key in await stores.broker.results.keys("throughput:*"):
        assert 0 < await stores.broker.results.ttl(key) <= THROUGHPUT_TTL_SECONDS
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    away = Settings(_env_file=None, **{**settings.model_dump(), "redis_url": nowhere, "redis_result_url": nowhere})
    async with Stores(away, pool_size=1, overflow=0, application="tests") as alone:
        assert (await of(alone)).throughput is None


async def test_the_last_hour_is_told_by_the_minute(stores: Stores, settings: Settings) -> None:
    now = await redis_seconds(stores.broker)
    assert now is not None
    whole = int(now // 60) * 60
    for ago, queue, count in ((60, QUEUE, 5), (60, "urgent", 2), (110, QUEUE, 3), (3_600, QUEUE, 1), (3_700, QUEUE, 9)):
        key = throughput_key(OURS, queue, (whole - ago) // 10)
        await stores.broker.results.set(key, count, ex=THROUGHPUT_TTL_SECONDS)
    await stores.broker.results.set(throughput_key(THEIRS, QUEUE, (whole - 60) // 10), 100, ex=60)
    found = await minutes(stores, OURS, [QUEUE, "urgent"])
    assert [at.timestamp() for at, _ in found] == [found[0][0].timestamp() + 60 * n for n in range(60)]
    counted = {whole - int(at.timestamp()): ended for at, ended in found if ended}
    later = int(await redis_seconds(stores.broker) or 0) // 60 * 60 - whole  # the minute may be over meanwhile
    assert counted == {60: 7, 120: 3, **({} if later else {3_600: 1})}
    assert {ended for _, ended in await minutes(stores, OURS, [])} == {0}
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    away = Settings(_env_file=None, **{**settings.model_dump(), "redis_url": nowhere, "redis_result_url": nowhere})
    async with Stores(away, pool_size=1, overflow=0, application="tests") as alone:
        assert await minutes(alone, OURS, [QUEUE]) == []


async def test_a_queue_of_nobody_is_not_found(stores: Stores) -> None:
    with pytest.raises(NotFound):
        await of(stores, "nobody_serves_this")


async def test_a_paused_queue_gives_nothing_out_until_it_is_resumed(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    [task, urgent] = await submit(stores, OURS, [planned(), planned(queue="urgent")])
    await pause(stores, OURS, QUEUE)
    await pause(stores, OURS, QUEUE)
    assert (await of(stores)).is_paused
    assert await claim_hinted(stores, claimant, [task.id]) == []
    assert [t.id for t in await claim_next(stores, claimant, 10)] == [urgent.id], "other queues go on"
    await resume(stores, OURS, QUEUE)
    assert not (await of(stores)).is_paused
    assert [t.id for t in await claim_next(stores, claimant, 10)] == [task.id]


@pytest.mark.usefixtures("two_tenants")
async def test_a_pause_is_one_tenants_own(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    [mine] = await submit(stores, OURS, [planned()])
    [their] = await submit(stores, THEIRS, [planned()])
    await pause(stores, OURS, QUEUE)
    assert await claim_hinted(stores, claimant, [mine.id]) == []
    assert [t.id for t in await claim_next(stores, claimant, 10)] == [their.id]
    assert not (await of(stores, tenant_id=THEIRS)).is_paused


async def test_a_resume_hints_what_is_due(stores: Stores, planned: Planned) -> None:
    [due, later] = await submit(stores, OURS, [planned(), planned(delay=3_600.0)])
    await pause(stores, OURS, QUEUE)

    async def both_are_hinted() -> bool:
        return len(await stores.broker.queue.keys("arq:job:*")) == 2

    await eventually(both_are_hinted)
    await stores.broker.queue.flushdb()
    await resume(stores, OURS, QUEUE)
    taken: list[UUID] = []

    async def something_is() -> bool:
        taken.extend(UUID(task_id) for task_id in (await stores.hints.take([QUEUE], 10)).ids)
        return bool(taken)

    await eventually(something_is)
    assert taken == [due.id], f"and not {later.id}"


@pytest.mark.parametrize("is_endless", [False, True], ids=["which ends", "which does not"])
async def test_a_pause_waits_for_the_claims_under_way(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, is_endless: bool
) -> None:
    """A statement that began before the pause does not see it: the pause returns once it ended, or had its time."""
    if is_endless:
        monkeypatch.setattr(queues, "CLAIM_LOOKS", 2)

    async def claim() -> None:
        async with stores.db.autocommit() as session:
            await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": 2.0 if is_endless else 0.5})

    async def still_claims() -> bool:
        async with stores.db.autocommit() as session:
            return await statements.somebody_still_claims(session, await statements.now(session))

    claiming = asyncio.create_task(claim())
    await eventually(still_claims)
    async with asyncio.timeout(10):
        await pause(stores, OURS, QUEUE)
    assert await still_claims() == is_endless
    await claiming


@pytest.mark.usefixtures("two_tenants")
async def test_a_purge_cancels_what_waits_of_this_tenant_in_this_queue(
    stores: Stores, planned: Planned, claimant: Claimant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "PURGE_BATCH", 7)
    mine = await submit(stores, OURS, [planned(priority=n % 10, delay=n % 3 * 60.0) for n in range(40)])
    await submit(stores, OURS, [planned(queue="urgent")])
    await submit(stores, THEIRS, [planned() for _ in range(3)])
    [run_] = await claim_hinted(stores, claimant, [mine[0].id])
    assert (await would_purge(stores, OURS, QUEUE)).matched == 39
    assert await statuses(stores) == {"PENDING": 40, "PROCESSING": 1}, "a dry run changes nothing"
    done = await purge(stores, OURS, QUEUE)
    assert (done.matched, done.cancelled, done.has_more) == (39, 39, False)
    assert await statuses(stores) == {"CANCELLED": 39, "PROCESSING": 1, "PENDING": 1}
    assert await statuses(stores, THEIRS) == {"PENDING": 3}
    assert (await get_task(stores, OURS, run_.id)).status is Status.PROCESSING
    gone = await get_task(stores, OURS, mine[1].id)
    assert (gone.status, gone.version, gone.cancel_requested) == (Status.CANCELLED, 2, True)
    assert (await purge(stores, OURS, QUEUE)).matched == 0


async def test_a_purge_passes_by_a_row_that_somebody_holds(stores: Stores, planned: Planned) -> None:
    held, free = await submit(stores, OURS, [planned(), planned()])
    async with stores.db.transaction() as session:
        await session.execute(text("SELECT FROM tasks WHERE id = :id FOR UPDATE"), {"id": held.id})
        async with asyncio.timeout(5):
            assert (await purge(stores, OURS, QUEUE)).cancelled == 1
    assert (await get_task(stores, OURS, free.id)).status is Status.CANCELLED
    assert (await get_task(stores, OURS, held.id)).status is Status.PENDING


async def test_a_purge_leaves_what_comes_after_its_start(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "PURGE_BATCH", 2)
    await submit(stores, OURS, [planned(priority=0) for _ in range(4)])
    late: list[Task] = []
    purge_batch = statements.purge

    async def with_newcomers(*given: Any, **named: Any) -> Any:
        if not late:
            late.extend(await submit(stores, OURS, [planned(priority=9)]))
        return await purge_batch(*given, **named)

    monkeypatch.setattr(statements, "purge", with_newcomers)
    assert (await purge(stores, OURS, QUEUE)).cancelled == 4
    assert (await get_task(stores, OURS, late[0].id)).status is Status.PENDING


async def test_a_purge_says_that_its_time_was_up_and_the_next_goes_on(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "PURGE_BATCH", 3)
    monkeypatch.setattr(queues, "PURGE_SECONDS", 0.000_001)
    await submit(stores, OURS, [planned() for _ in range(5)])
    first = await purge(stores, OURS, QUEUE)
    assert first.has_more
    assert first.cancelled <= 3
    monkeypatch.setattr(queues, "PURGE_SECONDS", 30.0)
    rest = await purge(stores, OURS, QUEUE)
    assert (first.cancelled + rest.cancelled, rest.has_more) == (5, False)


async def test_who_waits_for_a_purged_task_is_told(stores: Stores, planned: Planned) -> None:
    [task] = await submit(stores, OURS, [planned()])
    waiting = asyncio.create_task(wait_final(stores, OURS, task.id, 30))
    await asyncio.sleep(0.05)
    await purge(stores, OURS, QUEUE)
    async with asyncio.timeout(10):
        assert (await waiting).status is Status.CANCELLED


async def test_many_purges_and_claims_at_once_share_the_tasks_out(
    stores: Stores, planned: Planned, claimant: Claimant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "PURGE_BATCH", 10)
    await submit(stores, OURS, [planned() for _ in range(200)])
    purges = asyncio.gather(*(purge(stores, OURS, QUEUE) for _ in range(4)))
    claims = asyncio.gather(*(claim_next(stores, claimant, 10) for _ in range(4)))
    cancelled = sum(one.cancelled for one in await purges)
    claimed = sum(len(some) for some in await claims)
    left = (await statuses(stores)).get("PENDING", 0)
    assert cancelled + claimed + left == 200
    assert await statuses(stores) == {
        status: count
        for status, count in (("CANCELLED", cancelled), ("PROCESSING", claimed), ("PENDING", left))
        if count
    }
