"""How the daily cleanup finds what is due: by the order of ids, a batch at a time, whatever the table's size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import cast

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from shared.db.statements import retention as statements
from shared.queue.retention import FIRST
from tests.support.crowd import crowded
from tests.support.plans import Recorded, is_ours, plan_of, walk
from tests.support.servers import Servers


class RecordedOne(Recorded):
    def one(self) -> statements.PrunedBatch:
        return _Nothing()  # type: ignore[return-value]


class _Nothing:
    removed, walked, last = 0, 0, None


FILES = """
    INSERT INTO files (id, tenant_id, name, size, sha256, media_type)
    SELECT id, tenant_id, 'a', 1, 'b', 'c' FROM tasks LIMIT 20000
"""


@pytest_asyncio.fixture(scope="module")
async def grown(servers: Servers) -> AsyncIterator[AsyncConnection]:
    async with crowded(servers, FILES) as opened:
        yield opened


PLANS: dict[str, tuple[Callable[[AsyncSession], Awaitable[object]], set[str]]] = {
    "tasks": (
        lambda s: statements.prune_tasks(s, after=FIRST, before=datetime.now(UTC), most=500),
        {"tasks_pkey"},
    ),
    "files": (
        lambda s: statements.old_files(s, after=FIRST, before=datetime.now(UTC), most=100),
        {"files_pkey", "tasks_claim", "tasks_running"},
    ),
}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", PLANS)
async def test_a_batch_goes_by_its_index(grown: AsyncConnection, name: str, mode: str) -> None:
    call, indexes = PLANS[name]
    recorded = RecordedOne()
    await call(cast("AsyncSession", recorded))
    nodes = list(walk(await plan_of(grown, recorded, mode)))
    assert [node for node in nodes if node["Node Type"] == "Seq Scan"] == []
    used = {node["Index Name"] for node in nodes if is_ours(node) or "files" in str(node.get("Index Name"))}
    assert used == indexes
