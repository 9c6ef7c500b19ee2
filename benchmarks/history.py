"""A history of tasks for benchmarks/retention.py: seeded once, copied for each layout, and how to cut it into days."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import asyncpg

from shared.db.migrate import upgrade
from shared.db.session import Database
from shared.domain.ids import first_id_at
from shared.embedded.postgres import Postgres

DAYS, OLD_DAYS = 40, 8
NOW = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0)
START = NOW - timedelta(days=DAYS)
CUTOFF = START + timedelta(days=OLD_DAYS)
FIRST = UUID(int=0)
SERVER = {"shared_buffers": "1GB", "max_wal_size": "4GB", "autovacuum_naptime": "20s"}

# About 1 kB a row, as a prompt and its answer have; one in ten was tried twice, one in 5,000 of any age still waits.
SEED = """
    INSERT INTO tasks (id, tenant_id, type, queue, priority, status, version, worker_id, attempt, max_attempts, timeout,
                       input, result, tags, created_at, updated_at, run_at, started_at, finished_at, outcome)
    SELECT CAST(lpad(to_hex(CAST(EXTRACT(EPOCH FROM at) * 1000 AS bigint)), 12, '0') || '7'
                || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15) AS uuid),
           1, 'text_generation', 'demo_tasks', 5, CASE WHEN waits THEN 'PENDING' ELSE 'COMPLETED' END, 3,
           CASE WHEN NOT waits THEN gen_random_uuid() END, 1, 4, 60,
           jsonb_build_object('prompt', repeat(md5(n::text), 6), 'model', 'smollm2'),
           CASE WHEN NOT waits THEN jsonb_build_object('text', repeat(md5((n + 1)::text), 12)) END,
           ARRAY['tag' || n % 100], at, at, CASE WHEN waits THEN now() + interval '1 year' ELSE at END,
           CASE WHEN NOT waits THEN at + interval '1 s' END, CASE WHEN NOT waits THEN at + interval '2 s' END,
           'completed'
    FROM generate_series({first}, {last}) AS n,
         LATERAL (SELECT TIMESTAMPTZ '{start}' + n * interval '{step} s' AS at, n % 5000 = 0 AS waits) made
"""
ATTEMPTS = """
    INSERT INTO attempts (task_id, version, attempt, generation, started_at, finished_at, outcome)
    SELECT id, 2, 1, 1, created_at, created_at, 'retried' FROM tasks WHERE get_byte(uuid_send(id), 15) < 26
"""
FINISHED = "CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at IS NOT NULL"
SECONDARY = ("tasks_claim", "tasks_running", "tasks_list", "tasks_failed", "tasks_expiry")


def say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


class Bench:
    """The server, and the databases on it."""

    def __init__(self, server: Postgres, rows: int) -> None:
        self.url, self.rows = server.url, rows

    def url_of(self, name: str) -> str:
        return self.url.rpartition("/")[0] + f"/{name}"

    async def sql(self, name: str, *statements: str) -> list[asyncpg.Record]:
        """The rows of the last statement; each commits by itself."""
        connection = await asyncpg.connect(self.url_of(name).replace("+asyncpg", "", 1))
        try:
            found: list[asyncpg.Record] = []
            for statement in statements:
                found = await connection.fetch(statement)
            return found
        finally:
            await connection.close()

    async def seed(self) -> None:
        if await self.sql("taskrunner", "SELECT 1 FROM pg_database WHERE datname = 'seeded'"):
            return
        await self.sql("taskrunner", "CREATE DATABASE seeding")
        await upgrade(self.url_of("seeding"))
        kept = await self.sql("seeding", "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tasks'")
        await self.sql("seeding", *(f"DROP INDEX {name}" for name in SECONDARY))
        step, chunk = DAYS * 86_400 / self.rows, 250_000
        for first in range(0, self.rows, chunk):
            given = SEED.format(first=first, last=min(first + chunk, self.rows) - 1, start=START, step=step)
            await self.sql("seeding", "SET synchronous_commit = off", given)
        await self.sql("seeding", *(row["indexdef"] for row in kept if row["indexname"] in SECONDARY))
        await self.sql("seeding", ATTEMPTS, "VACUUM (ANALYZE, FREEZE)")
        await self.sql("taskrunner", "ALTER DATABASE seeding RENAME TO seeded")
        size = await self.sql("seeded", "SELECT pg_size_pretty(pg_database_size('seeded')) AS size")
        say(f"seeded {self.rows} rows, {size[0]['size']}")

    @asynccontextmanager
    async def copy(self, name: str, *changes: str) -> AsyncIterator[Database]:
        """A database like the seeded one, changed by ``changes``, gone afterwards."""
        await self.drop(name)
        await self.sql("taskrunner", f"CREATE DATABASE {name} TEMPLATE seeded STRATEGY file_copy")
        await self.sql(name, *changes, "SELECT 1")
        db = Database(self.url_of(name), pool_size=5, overflow=5, recycle=3600, application="bench")
        try:
            yield db
        finally:
            await db.close()
            await self.drop(name)

    async def drop(self, name: str) -> None:
        for _ in range(600):
            try:
                await self.sql("taskrunner", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            except asyncpg.InsufficientPrivilegeError:
                await asyncio.sleep(0.1)  # an autovacuum worker is in it
            else:
                return


def partitioning() -> list[str]:
    """Statements that turn the table into one partition a day, by the ids' clock."""
    days = [START + timedelta(days=n) for n in range(DAYS + 3)]
    bounds = [FIRST, *(first_id_at(day) for day in days[1:]), UUID(int=2**128 - 1)]
    parts = [
        f"CREATE TABLE tasks_p{n} PARTITION OF tasks FOR VALUES FROM ('{low}') TO ('{high}') WITH (fillfactor = 90)"
        for n, (low, high) in enumerate(pairwise(bounds))
    ]
    return [
        "ALTER TABLE attempts DROP CONSTRAINT attempts_task_id_fkey",
        "ALTER TABLE tasks RENAME TO flat",
        *(f"ALTER INDEX {name} RENAME TO flat_{name}" for name in (*SECONDARY, "tasks_pkey")),
        "CREATE TABLE tasks (LIKE flat INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (id)",
        *parts,
        "SET synchronous_commit = off",
        "INSERT INTO tasks SELECT * FROM flat",
        "DROP TABLE flat",
        "ALTER TABLE tasks ADD CONSTRAINT tasks_pkey PRIMARY KEY (id)",
    ]


async def partition_statements(bench: Bench) -> list[str]:
    definitions = await bench.sql("seeded", "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tasks'")
    again = [row["indexdef"] for row in definitions if row["indexname"] in SECONDARY]
    key = (
        "ALTER TABLE attempts ADD CONSTRAINT attempts_task_id_fkey"
        " FOREIGN KEY (task_id) REFERENCES tasks ON DELETE CASCADE"
    )
    trigger = await bench.sql("seeded", "SELECT pg_get_triggerdef(oid) AS d FROM pg_trigger WHERE tgname='tasks_moves'")
    return [*partitioning(), *again, key, trigger[0]["d"], "ANALYZE"]
