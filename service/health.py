"""Whether the stores answer, asked at once. Each look is bounded: a probe that hangs is worse than one that says no."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shared.queue.health import DatabaseState, RedisState, database_health, redis_health
from shared.queue.stores import Stores


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the stores said of themselves; None: no answer in time."""

    database: DatabaseState | None
    broker: RedisState | None

    @property
    def status(self) -> str:
        if self.database is None or not self.database.is_migrated:
            return "unavailable"
        return "ok" if self.broker is not None else "degraded"


async def readiness(stores: Stores) -> Readiness:
    database, broker = await asyncio.gather(database_health(stores), redis_health(stores))
    return Readiness(database, broker)
