"""Task statistics of a tenant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from shared.broker.throughput import past_hour
from shared.db.session import LONG_SECONDS
from shared.db.statements import hourly_stats, retention
from shared.db.statements import stats as statements
from shared.domain.run import StatsRow
from shared.domain.statistics import merged
from shared.queue.stores import Stores


async def window(stores: Stores, tenant_id: int, since: datetime, until: datetime) -> list[StatsRow]:
    """Counts and percentiles by type and queue of tasks created in [since, until).

    What retention may have removed comes from the statistics of its hours: whole hours, percentiles an estimate.
    """
    async with stores.db.autocommit(within=LONG_SECONDS) as session:
        kept_since = await retention.cutoff(session, days=stores.settings.retention_days)
        rows = await statements.window(session, tenant_id, max(since, kept_since), until)
        if since < kept_since:
            rows += await hourly_stats.window(session, tenant_id, since, min(until, kept_since))
    return merged(rows)


async def minutes(stores: Stores, tenant_id: int, queues: Sequence[str]) -> list[tuple[datetime, int]]:
    """Each whole minute of the last hour, oldest first, and how many tasks ended in it; none while Redis is away."""
    found = await past_hour(stores.broker, tenant_id, queues)
    return [(datetime.fromtimestamp(since, UTC), ended) for since, ended in found or ()]
