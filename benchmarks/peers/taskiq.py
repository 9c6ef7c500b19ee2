"""taskiq on Redis streams, the broker it recommends as it acknowledges; results only where the variant says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.peers.gathering import submit_each
from benchmarks.peers.ledger import UNNUMBERED, entered
from benchmarks.peers.protocol import REDIS_URL, VARIANT

broker = RedisStreamBroker(REDIS_URL)
if VARIANT == "results":
    broker = broker.with_result_backend(RedisAsyncResultBackend(REDIS_URL, result_ex_time=3_600))


@broker.task
async def noop(number: int) -> int:
    return entered(number)


class Producer:
    async def many(self, count: int) -> None:
        await submit_each(lambda: noop.kiq(UNNUMBERED), count)

    async def one(self, number: int) -> None:
        await noop.kiq(number)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    await broker.startup()
    try:
        yield Producer()
    finally:
        await broker.shutdown()
