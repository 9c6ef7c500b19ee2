"""A database whose disk is full, as PostgreSQL itself says it: writes are 503 ``storage-full``, and reads go on.

The error is a real one of the server, raised by triggers; tests/chaos/test_full_disks.py fills real disks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.db.session import Database
from shared.domain.errors import StorageFull, StoreUnavailable
from shared.domain.task import NewTask
from shared.metrics import DATABASE_FAILURES
from shared.queue.claim import Claimant, claim_next
from shared.queue.stores import Stores
from shared.queue.submit import submit
from tests.integration.api.conftest import SUM, assert_problem

PATH = "/api/v1/tasks"
REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = '53100';
    END $$
"""


@asynccontextmanager
async def full_disk(db: Database) -> AsyncIterator[None]:
    """Nothing that is written fits, for a while."""
    async with db.transaction() as session:
        await session.execute(text(REFUSE))
        await session.execute(
            text("CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON tasks EXECUTE FUNCTION refuse()")
        )
    try:
        yield
    finally:
        async with db.transaction() as session:
            await session.execute(text("DROP FUNCTION refuse() CASCADE"))


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "one"}], ids=["alone", "keyed"])
async def test_a_submit_is_503_storage_full_and_reads_go_on(
    api: httpx.AsyncClient, stores: Stores, key: dict[str, str]
) -> None:
    known = (await api.post(PATH, json=SUM)).json()["id"]
    async with full_disk(stores.db):
        answer = await api.post(PATH, json=SUM, headers=key)
        assert_problem(answer, 503, "storage-full")
        assert int(answer.headers["retry-after"]) > 0
        batch = await api.post(f"{PATH}/batch", json={"tasks": [SUM, SUM]})
        assert_problem(batch, 503, "storage-full")
        assert_problem(await api.post(f"{PATH}/{known}/cancel"), 503, "storage-full")
        for path in (f"{PATH}/{known}", PATH, "/health/ready", "/health/live"):
            assert (await api.get(path)).status_code == 200
    answer = await api.post(PATH, json=SUM, headers=key)
    assert answer.status_code == 201, "neither the key nor anything else of the refused request was kept"
    assert len((await api.get(PATH)).json()["data"]) == 2


async def test_to_every_guard_a_full_disk_is_an_outage(
    stores: Stores, claimant: Claimant, planned: Callable[..., NewTask]
) -> None:
    await submit(stores, 1, [planned()])
    attempts: list[Any] = [lambda: submit(stores, 1, [planned()]), lambda: claim_next(stores, claimant, 1)]
    before = DATABASE_FAILURES.counts[("full",)]
    async with full_disk(stores.db):
        for attempt in attempts:
            with pytest.raises(StoreUnavailable) as caught:
                await attempt()
            assert isinstance(caught.value, StorageFull)
    assert DATABASE_FAILURES.counts[("full",)] == before + len(attempts)
