"""streaQ, with ``concurrency`` raised to the slots of the others; submitted in its pipelined batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streaq import Worker

from benchmarks.peers.ledger import UNNUMBERED, entered
from benchmarks.peers.protocol import REDIS_URL, SLOTS

BATCH = 1_000
worker = Worker(redis_url=REDIS_URL, concurrency=SLOTS)


@worker.task
async def noop(number: int) -> int:
    return entered(number)


class Producer:
    async def many(self, count: int) -> None:
        for done in range(0, count, BATCH):
            await worker.enqueue_many([noop.enqueue(UNNUMBERED) for _ in range(min(BATCH, count - done))])

    async def one(self, number: int) -> None:
        await noop.enqueue(number)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    async with worker:
        yield Producer()
