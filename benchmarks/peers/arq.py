"""arq, with ``max_jobs`` raised to the slots of the others. It has no batch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq import ArqRedis, create_pool
from arq.connections import RedisSettings

from benchmarks.peers.gathering import submit_each
from benchmarks.peers.ledger import UNNUMBERED, entered
from benchmarks.peers.protocol import REDIS_URL, SLOTS

SETTINGS = RedisSettings.from_dsn(REDIS_URL)


async def noop(_context: dict[Any, Any], number: int) -> int:
    return entered(number)


class WorkerSettings:
    functions = (noop,)
    redis_settings = SETTINGS
    max_jobs = SLOTS


class Producer:
    def __init__(self, pool: ArqRedis) -> None:
        self._pool = pool

    async def many(self, count: int) -> None:
        await submit_each(lambda: self._pool.enqueue_job("noop", UNNUMBERED), count)

    async def one(self, number: int) -> None:
        await self._pool.enqueue_job("noop", number)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    pool = await create_pool(SETTINGS)
    try:
        yield Producer(pool)
    finally:
        await pool.aclose()
