"""procrastinate on PostgreSQL, with ``concurrency`` raised to the slots of the others; submitted in its batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector

from benchmarks.peers.ledger import UNNUMBERED, entered
from benchmarks.peers.protocol import POSTGRES_URL

BATCH = 1_000
app = App(connector=PsycopgConnector(conninfo=POSTGRES_URL))


@app.task(name="noop")
async def noop(number: int) -> int:
    return entered(number)


class Producer:
    async def many(self, count: int) -> None:
        for done in range(0, count, BATCH):
            await noop.batch_defer_async(*({"number": UNNUMBERED} for _ in range(min(BATCH, count - done))))

    async def one(self, number: int) -> None:
        await noop.defer_async(number=number)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    async with app.open_async():
        yield Producer()


async def prepare() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
