"""Old records leave in batches: however many there are, and whoever is at it beside."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from shared.queue import pruning
from shared.queue.idempotency import prune_idempotency_keys
from shared.queue.pruning import prune_in_batches
from shared.queue.stores import Stores

MAKE = """
    INSERT INTO idempotency_keys (tenant_id, key, digest, status, headers, body, created_at)
    SELECT 1, :name || n, '', 201, '{}', '', now() - make_interval(hours => :hours) FROM generate_series(1, :count) n
"""
LEFT = "SELECT count(*) FROM idempotency_keys"


async def made(stores: Stores, name: str, *, hours: int, count: int) -> None:
    async with stores.db.autocommit() as session:
        await session.execute(text(MAKE), {"name": name, "hours": hours, "count": count})


async def left(stores: Stores) -> int:
    async with stores.db.autocommit() as session:
        return int((await session.execute(text(LEFT))).scalar_one())


async def test_all_that_is_old_leaves_in_one_turn_and_nothing_else(stores: Stores) -> None:
    await made(stores, "old", hours=49, count=2 * pruning.BATCH + 1)
    await made(stores, "young", hours=47, count=3)
    assert await prune_idempotency_keys(stores) == 2 * pruning.BATCH + 1
    assert await left(stores) == 3


async def test_what_another_process_is_at_is_passed_by(stores: Stores) -> None:
    await made(stores, "old", hours=49, count=5)
    async with stores.db.transaction() as session:
        await session.execute(text("DELETE FROM idempotency_keys WHERE key IN ('old1', 'old2')"))
        assert await prune_idempotency_keys(stores) == 3
    assert await left(stores) == 0


async def test_no_statement_removes_more_than_a_batch_and_no_round_lasts_for_ever(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def endless(_session: object, most: int) -> int:
        asked.append(most)
        return most

    monkeypatch.setattr(pruning, "ROUND_SECONDS", 0.05)
    removed = await prune_in_batches(stores, endless, batch=7)
    assert removed == 7 * len(asked)
    assert set(asked) == {7}
