"""What each process and each store holds, every few seconds: memory, files, threads, children, connections."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass

import asyncpg
import psutil
import redis.asyncio
import redis.exceptions

from tests.soak.arena import Arena
from tests.support.faults import connected

EVERY_SECONDS = 2.0
STORE_TIMEOUT = 2.0
SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'taskrunner%'
"""
UNENDED = "SELECT count(*) FROM tasks WHERE status IN ('PENDING', 'RETRYING', 'PROCESSING')"


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds. ``age`` in seconds: a young one is still filling its caches.

    ``fds`` without the one socket that leads to each child.
    """

    pid: int
    age: float
    rss_mib: float
    fds: int
    threads: int
    children: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading, ``at`` seconds from the start. A store that does not answer counts None."""

    at: float
    is_calm: bool
    processes: dict[str, Held]
    postgres_connections: int | None
    redis_clients: int | None
    unended: int | None

    def as_json(self) -> dict[str, object]:
        return asdict(self)


async def taken(arena: Arena, at: float, *, is_calm: bool) -> Sample:
    processes = {post.name: held for post in arena.posts if (held := _held(post.keeper.child.pid))}
    connections, unended = await _postgres(arena.database_url)
    return Sample(at, is_calm, processes, connections, await _redis_clients(arena.valkey.url), unended)


def _held(pid: int) -> Held | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            children = len(process.children())
            return Held(
                pid,
                round(time.time() - process.create_time(), 1),
                round(process.memory_info().rss / 2**20, 2),
                process.num_fds() - children,
                process.num_threads(),
                children,
            )
    except psutil.Error:  # it ended while we looked
        return None


async def _postgres(url: str) -> tuple[int | None, int | None]:
    try:
        async with asyncio.timeout(STORE_TIMEOUT), connected(url) as connection:
            return await connection.fetchval(SESSIONS), await connection.fetchval(UNENDED)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None, None


async def _redis_clients(url: str) -> int | None:
    """Connections of the service: all but the one that asks."""
    try:
        async with asyncio.timeout(STORE_TIMEOUT), redis.asyncio.Redis.from_url(url) as client:
            return len(await client.client_list()) - 1
    except (OSError, TimeoutError, redis.exceptions.RedisError):
        return None
