"""What the health checks ask of Redis."""

from __future__ import annotations

from dataclasses import dataclass

from shared.broker.connection import Broker


@dataclass(frozen=True, slots=True)
class RedisState:
    """What the queue's Redis says of itself. A policy other than noeviction may drop hints: the poll finds them."""

    version: str
    eviction_policy: str


async def redis_state(broker: Broker) -> RedisState | None:
    """None: Redis is away."""
    info = await broker.guarded(broker.queue.info())
    if info is None or not await broker.ping():
        return None
    version = info.get("valkey_version") or info.get("redis_version") or "unknown"
    return RedisState(str(version), str(info.get("maxmemory_policy", "unknown")))
