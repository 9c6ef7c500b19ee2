"""Task statistics of a tenant."""

from __future__ import annotations

from datetime import datetime

from shared.db.statements import stats as statements
from shared.domain.run import StatsRow
from shared.queue.stores import Stores


async def window(stores: Stores, tenant_id: int, since: datetime, until: datetime) -> list[StatsRow]:
    """Counts and percentiles by type and queue of tasks created in [since, until)."""
    async with stores.db.autocommit() as session:
        return await statements.window(session, tenant_id, since, until)
