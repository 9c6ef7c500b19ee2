"""Whether the stores answer, and as what."""

from __future__ import annotations

from shared.broker.health import RedisState, redis_state
from shared.db.statements.health import DatabaseState, database_state
from shared.domain.errors import StoreUnavailable
from shared.queue.stores import Stores

__all__ = ["DatabaseState", "RedisState", "database_health", "redis_health"]


async def database_health(stores: Stores) -> DatabaseState | None:
    """None: PostgreSQL is away."""
    try:
        async with stores.db.autocommit() as session:
            return await database_state(session)
    except StoreUnavailable:
        return None


async def redis_health(stores: Stores) -> RedisState | None:
    """None: Redis is away."""
    return await redis_state(stores.broker)
