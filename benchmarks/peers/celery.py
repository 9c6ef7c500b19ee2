"""Celery on Redis: prefork, a child a core, results kept in Redis; submitted over one kept connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from celery import Celery

from benchmarks.peers.ledger import UNNUMBERED, entered
from benchmarks.peers.protocol import REDIS_URL

app = Celery("bench", broker=REDIS_URL, backend=REDIS_URL)
app.conf.broker_connection_retry_on_startup = True


@app.task(name="noop")
def noop(number: int) -> int:
    return entered(number)


class Producer:
    async def many(self, count: int) -> None:
        with app.producer_pool.acquire(block=True) as kept:
            for _ in range(count):
                noop.apply_async((UNNUMBERED,), producer=kept)

    async def one(self, number: int) -> None:
        noop.delay(number)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    try:
        yield Producer()
    finally:
        app.close()
