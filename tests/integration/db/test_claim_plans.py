"""The poll over a plain backlog, as prepared for its parameters and for any: it reads what it claims, and little more.

One tenant, one queue, no history: what an installation looks like on its busiest morning. All of it is by the index of
claims; by the index of lists, which gives the tenants in order, too, it would read everything.
"""

from __future__ import annotations

from typing import cast
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from shared.db.statements import claim
from shared.db.statements.claim import Claimant
from tests.support.plans import Recorded, plan_of, walk
from tests.support.servers import Servers
from tests.support.stores import QUEUES

WHO = Claimant(uuid4(), QUEUES, ("simple_calculation",))
SEED = """
    INSERT INTO tasks (id, tenant_id, type, queue, priority, max_attempts, timeout, input, run_at)
    SELECT gen_random_uuid(), 1, 'simple_calculation', 'demo_tasks', 5, 4, 60, '{}', now() - n * interval '1 ms'
    FROM generate_series(1, 20000) AS n
"""


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_the_poll_of_a_plain_backlog_goes_by_its_own_index(servers: Servers, mode: str) -> None:
    with servers.lend_database() as url:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(SEED))
            await connection.execute(text("VACUUM ANALYZE tasks"))
            recorded = Recorded()
            await claim.claim_by_order(cast("AsyncSession", recorded), WHO, uuid4(), 20)
            nodes = list(walk(await plan_of(connection, recorded, mode)))
        await engine.dispose()
    whole = [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "tasks"]
    assert whole == []
    used = {str(node["Index Name"]) for node in nodes if "Index Name" in node}
    assert {name for name in used if name.startswith("tasks_")} == {"tasks_claim", "tasks_pkey"}
    ordered = [node for node in nodes if node["Node Type"] == "Sort" and "run_at" in str(node["Sort Key"])]
    assert ordered == [], "the index gives the order, and the limit ends the scan"
