"""How the whole service stands, for its operator: what waits, runs and lives, of all tenants."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.db.statements import gauges as statements
from shared.db.statements import queues
from shared.db.statements.gauges import QueueLoad
from shared.domain.schedule import CLEANUP
from shared.metrics import gauge
from shared.queue.stores import Stores

if TYPE_CHECKING:
    from prometheus_client.core import Metric

MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Gauges:
    """Of each queue that waits no more than ten thousand are looked at."""

    loads: dict[str, QueueLoad]
    running: dict[str, int]
    webhooks_due: int
    webhooks_age: float
    workers_alive: int
    cleanup_age: float


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
            cleanup_age=await statements.age_of(session, CLEANUP),
        )


def of_process(stores: Stores, *, database: bool, redis: bool) -> Iterator[Metric]:
    """What every process tells of its stores: whether they answered just now, and its connections."""
    used, most = stores.db.connections
    connections = [(("used",), used), (("most",), most)]
    yield gauge("db_pool_connections", "Of this process: in use, and allowed.", connections, "state")
    answered = [(("postgresql",), database), (("redis",), redis)]
    yield gauge("store_up", "Whether it answered this process.", answered, "store")
