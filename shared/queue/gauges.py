"""How the whole service stands, for its operator: what waits, runs and lives, of all tenants."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shared.db.statements import gauges as statements
from shared.db.statements import queues
from shared.db.statements.gauges import QueueLoad
from shared.queue.stores import Stores

MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Gauges:
    """Of each queue that waits no more than ten thousand are looked at."""

    loads: dict[str, QueueLoad]
    running: dict[str, int]
    webhooks_due: int
    webhooks_age: float
    workers_alive: int


async def read_gauges(stores: Stores, served: Collection[str]) -> Gauges:
    """Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        names = {*served, *await queues.names(session)}
        due, age = await statements.webhooks_due(session, most=MOST_COUNTED)
        return Gauges(
            loads=await statements.loads(session, sorted(names), most=MOST_COUNTED),
            running=await statements.running(session),
            webhooks_due=due,
            webhooks_age=age,
            workers_alive=await statements.workers_alive(session, within=stores.settings.lease_seconds),
        )


def pool_use(stores: Stores) -> tuple[int, int]:
    """Connections of this process's pool that are in use, and how many it may open."""
    pool = stores.db.engine.pool
    settings = stores.settings
    return int(getattr(pool, "checkedout", lambda: 0)()), settings.api_pool_size + settings.api_pool_overflow
