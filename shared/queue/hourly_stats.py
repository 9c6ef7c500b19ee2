"""``generate_hourly_stats``: the tasks created in an hour, counted once it is over, and kept when they are gone.

Computing an hour again gives the same rows, so it does not matter who does it or how often; an advisory lock only
saves the work. Hours missed in an outage come first, the oldest before the others.
"""

from __future__ import annotations

import time

from shared.db.statements import hourly_stats as statements
from shared.db.statements import retention
from shared.domain.statistics import HOUR, looked_at_again
from shared.logs import get_logger
from shared.queue.stores import Stores

LOCK_ID = 0x7461_736B_7275_6E02  # "taskrun\2"
ROUND_SECONDS = 45.0
"""A round holds one connection of the pool; the next one goes on where it ended."""
log = get_logger(__name__)


async def generate_hourly_stats(stores: Stores, *, round_seconds: float = ROUND_SECONDS) -> int:
    """Compute what is due, for one round at most; returns the number of hours. Raises: StoreUnavailable."""
    began = time.monotonic()
    days = stores.settings.retention_days
    computed = 0
    async with stores.db.autocommit() as session:
        # Hours before that have lost tasks already: what was computed of them stands.
        kept_since = await retention.cutoff(session, days=days)
        due = await statements.hours_due(session, not_before=kept_since)
        if not due:
            return 0
        async with retention.alone(session, LOCK_ID) as is_alone:
            for hour in due if is_alone else ():
                again = [past for past in looked_at_again(hour, days=days) if past >= kept_since]
                for one in (*await statements.unfinished(session, again), hour):
                    await statements.generate(session, one)
                    computed += 1
                await statements.done(session, hour + HOUR)
                if time.monotonic() - began > round_seconds:
                    break
    if computed:
        log.info("chore_done", chore="generate_hourly_stats", hours=computed)
    return computed
