"""Tens of thousands of tasks of one busy key or tenant, or of one that has paused: nobody else's claim reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

from shared.db.statements import claim, limits, queues
from shared.db.statements.claim import Claimant
from shared.domain.limits import Line
from tests.support.plans import Recorded
from tests.support.servers import Servers
from tests.support.stores import QUEUES

WORKER = uuid4()
WHO = Claimant(WORKER, QUEUES, ("simple_calculation",))
NOW = datetime.now(UTC)
BACKLOG = 30_000
FEW_ROWS = 300
"""A step for each line and priority, the few rows claimed, and each of those by its key."""

# The busy key and the busy tenant came first, at the best priority; behind each of them wait ten. Before them all came
# a tenant who has paused the queue, with limits and without.
SEED = f"""
    INSERT INTO tasks (id, tenant_id, type, queue, priority, max_attempts, timeout, input, run_at, limits)
    SELECT gen_random_uuid(), lot.tenant_id, 'simple_calculation', 'urgent', lot.priority, 4, 60, '{{}}',
           now() - interval '1 day' * lot.age, lot.limits
    FROM (VALUES (1, 0, 3, 'key:busy', {BACKLOG}), (1, 5, 2, 'key:calm', 10),
                 (2, 0, 3, '', {BACKLOG}), (3, 5, 2, '', 10),
                 (4, 0, 9, '', {BACKLOG}), (4, 0, 9, 'key:busy', {BACKLOG})
         ) AS lot (tenant_id, priority, age, limits, count),
         generate_series(1, lot.count)
"""  # noqa: S608 - ours


CLAIMS = """
    INSERT INTO workers (id, hostname, pid, queues, types, missing, concurrency, pool_size, pool_overflow, version)
    VALUES (:id, 'here', 1, '{}', '{}', '{}', 1, 1, 1, '0')
"""


@pytest_asyncio.fixture(scope="module")
async def connection(servers: Servers) -> AsyncIterator[AsyncConnection]:
    with servers.lend_database() as url:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as opened:
            await opened.exec_driver_sql("INSERT INTO tenants (id, name) VALUES (2, 'two'), (3, 'three'), (4, 'four')")
            await opened.exec_driver_sql("INSERT INTO queues (tenant_id, name, paused) VALUES (4, 'urgent', true)")
            await opened.execute(text(CLAIMS), {"id": WORKER})
            await opened.exec_driver_sql(SEED)
            await opened.execute(text("VACUUM ANALYZE"))
            yield opened
        await engine.dispose()


CALM = Line("urgent", 1, "key:calm", 10, 5, NOW)
PAUSED_LINE = Line("urgent", 4, "key:busy", 10, 0, NOW)
Call = Callable[[AsyncSession], Awaitable[object]]
CALLS: dict[str, Call] = {
    "poll": lambda s: claim.claim_by_order(s, WHO, uuid4(), 4),
    "lines": lambda s: limits.lines(s, WHO, most=4, most_lines=100, behind=limits.BEFORE_ALL),
    "poll of more than others have": lambda s: claim.claim_by_order(s, WHO, uuid4(), 40),
    "claim by a paused line": lambda s: limits.claim_by_lines(s, WHO, uuid4(), {PAUSED_LINE: 4}),
    "claim by lines": lambda s: limits.claim_by_lines(s, WHO, uuid4(), {CALM: 4}),
    "next due": lambda s: queues.next_due(s, 3, "urgent", most=10),
    "loads": lambda s: queues.loads(s, 3, ["urgent"], most=1_000),
    "purge": lambda s: queues.purge(s, 3, "urgent", before=NOW, after=queues.Place(), most=10),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_statement_reads_few_rows_whatever_waits_before_them(connection: AsyncConnection, name: str) -> None:
    recorded = Recorded()
    await CALLS[name](cast("AsyncSession", recorded))
    explained = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {recorded.statement.text}")
    shown = await connection.execute(explained, recorded.parameters)
    found = shown.scalar_one()
    plans = orjson.loads(found) if isinstance(found, str) else found
    assert sum(map(rows_read, walk(plans[0]["Plan"]))) < FEW_ROWS


def rows_read(node: dict[str, Any]) -> float:
    """Rows of tasks that a node got out of a table or an index, and those it threw away."""
    if node.get("Relation Name") != "tasks" or node["Node Type"] == "ModifyTable":
        return 0
    return float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


def walk(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(below for child in node.get("Plans", ()) for below in walk(child))]
