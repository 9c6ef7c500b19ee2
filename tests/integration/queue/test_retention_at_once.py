"""The daily cleanup beside another, beside whoever moves a row, and cut off in the middle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.db.statements import retention as statements
from shared.queue import retention
from shared.queue.claim import Claimant
from shared.queue.retention import FIRST, Cleanup, Removed
from shared.queue.stores import Stores
from shared.registry import Registry
from tests.support.aged import Planned, count, ended, execute, files_left, left, stored, tried
from worker.maintenance import loops

PATIENCE_SECONDS = 10.0


async def unlocked(stores: Stores) -> bool:
    """Whether no connection, not even one in the pool, still holds the cleanup's lock."""
    held = "SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = "
    return not await execute(stores, held + "current_database()")


async def emptied(stores: Stores) -> bool:
    """Whether another process's cleanup has removed all there was."""
    await Cleanup().run(stores)
    return await count(stores, "tasks") == 0


async def eventually(condition: Callable[[], Awaitable[object]]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        assert time.monotonic() < ends_at, "it did not come true"
        await asyncio.sleep(0.02)


async def test_of_two_at_once_one_stands_back(stores: Stores, planned: Planned) -> None:
    await ended(stores, planned)
    async with stores.db.autocommit() as session, statements.alone(session) as is_alone:
        assert is_alone
        assert await Cleanup().run(stores) is None
        assert await count(stores, "tasks") == 1
    assert await Cleanup().run(stores) == Removed(tasks=1)


async def test_many_at_once_remove_each_row_once(stores: Stores, planned: Planned) -> None:
    for _ in range(60):
        await ended(stores, planned)
    before = datetime.now(UTC) - timedelta(days=30)

    async def prune() -> int:
        # Without the lock: the statement alone must be safe, too.
        async with stores.db.autocommit() as session:
            return (await statements.prune_tasks(session, after=FIRST, before=before, most=60)).removed

    assert sum(await asyncio.gather(*(prune() for _ in range(5)))) == 60
    assert await count(stores, "tasks") == 0


async def test_a_row_that_somebody_moves_is_passed_by(stores: Stores, planned: Planned) -> None:
    moved, gone = await ended(stores, planned), await ended(stores, planned)
    async with stores.db.transaction() as session:
        await session.execute(text("SELECT FROM tasks WHERE id = :id FOR NO KEY UPDATE"), {"id": moved})
        assert await Cleanup().run(stores) == Removed(tasks=1)
    assert await left(stores) == {moved}
    assert gone not in await left(stores)


async def test_one_cancelled_in_mid_batch_leaves_nothing_half(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    tasks = [await tried(stores, planned, claimant) for _ in range(3)]
    async with stores.db.transaction() as session:
        # The batch has deleted the rows, and waits for the attempts of the last.
        await session.execute(text("SELECT FROM attempts WHERE task_id = :id FOR UPDATE"), {"id": tasks[-1]})
        pruning = asyncio.create_task(Cleanup().run(stores))
        await eventually(lambda: execute(stores, "SELECT 1 FROM pg_locks WHERE NOT granted"))
        pruning.cancel()
        await asyncio.wait([pruning])
        assert pruning.cancelled()
    assert await left(stores) == set(tasks)
    assert await count(stores, "attempts") == 3
    await eventually(lambda: unlocked(stores))
    await eventually(lambda: emptied(stores))
    assert await count(stores, "attempts") == 0


async def test_one_cancelled_between_batches_frees_the_lock(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "TASKS_BATCH", 1)
    monkeypatch.setattr(retention, "PAUSES", 1_000_000)
    await ended(stores, planned)
    await ended(stores, planned)
    pruning = asyncio.create_task(Cleanup().run(stores))

    async def has_begun() -> bool:
        return await count(stores, "tasks") == 1

    await eventually(has_begun)
    pruning.cancel()
    await asyncio.wait([pruning])
    assert pruning.cancelled()
    monkeypatch.undo()
    await eventually(lambda: unlocked(stores))
    await eventually(lambda: emptied(stores))


async def test_a_file_is_removed_to_its_end_though_cancelled(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    await stored(stores)
    reached, go_on, delete = asyncio.Event(), asyncio.Event(), stores.storage.delete

    async def slowly(tenant_id: int, file_id: UUID) -> None:
        reached.set()
        await go_on.wait()
        await delete(tenant_id, file_id)

    monkeypatch.setattr(stores.storage, "delete", slowly)
    pruning = asyncio.create_task(Cleanup().run(stores))
    await asyncio.wait_for(reached.wait(), PATIENCE_SECONDS)
    pruning.cancel()
    go_on.set()
    await asyncio.wait([pruning])
    assert pruning.cancelled()
    assert await files_left(stores) == set()


async def test_every_worker_does_it(stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "CLEANUP_SECONDS", 0.05)
    await ended(stores, planned)
    maintaining = asyncio.create_task(loops.maintain(stores, Registry(())))

    async def is_gone() -> bool:
        return await count(stores, "tasks") == 0

    try:
        await eventually(is_gone)
    finally:
        maintaining.cancel()
        await asyncio.wait([maintaining])
