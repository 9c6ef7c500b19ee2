"""PgQueuer on PostgreSQL, its tables durable as it installs them; batch size by its worker's option."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from pgqueuer import PgQueuer, Queries
from pgqueuer.models import Job

from benchmarks.peers.ledger import UNNUMBERED, entered
from benchmarks.peers.protocol import POSTGRES_URL

BATCH = 1_000


@asynccontextmanager
async def runner() -> AsyncIterator[PgQueuer]:
    """What ``pgq run`` calls."""
    connection = await asyncpg.connect(POSTGRES_URL)
    queuer = PgQueuer.from_asyncpg_connection(connection)

    @queuer.entrypoint("noop")
    async def noop(job: Job) -> None:
        entered(int(job.payload or b"-1"))

    yield queuer


class Producer:
    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def many(self, count: int) -> None:
        for done in range(0, count, BATCH):
            size = min(BATCH, count - done)
            await self._queries.enqueue(["noop"] * size, [str(UNNUMBERED).encode()] * size, [0] * size)

    async def one(self, number: int) -> None:
        await self._queries.enqueue("noop", str(number).encode())


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    connection = await asyncpg.connect(POSTGRES_URL)
    try:
        yield Producer(Queries.from_asyncpg_connection(connection))
    finally:
        await connection.close()


async def prepare() -> None:
    connection = await asyncpg.connect(POSTGRES_URL)
    try:
        await Queries.from_asyncpg_connection(connection).install()
    finally:
        await connection.close()
