"""What a claim and a GET cost by the number of tasks: by those that wait, and by all there are.

Every size is a database of its own with an API of its own, and they are measured in turn, round after round: a machine
whose speed moves by half from minute to minute would else tell of the minute. Rows are made by ``generate_series`` in
the real schema; claims go the worker's way, over a lane.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import text

from benchmarks.ground import API_APP, Site, environment, site
from benchmarks.load import Load, run_apart
from benchmarks.peers.catalogue import SLOTS
from benchmarks.race import Tell, Track
from benchmarks.rows import WORKER, Rows
from benchmarks.stage import DATABASE, Stage, plain
from shared.children import end
from shared.db.migrate import upgrade
from shared.db.session import Database
from shared.db.statements import claim
from shared.db.statements.claim import Claimant

ROUNDS, CLAIMS, CLAIM_SIZE = 8, 10, 10
"""Each round claims so often of each size. One more goes before them and is not counted: the first touch of a page
after a checkpoint writes all of it."""
GET_CONNECTIONS = 16
BEAT_S = 1.0
EVERY, NEWEST = "true", "n >= {last} - 2000"
INSERT = """
    INSERT INTO tasks (id, tenant_id, type, queue, priority, status, version, attempt, max_attempts, timeout, input,
                       result, created_at, updated_at, run_at, started_at, finished_at, outcome)
    SELECT CAST(lpad(to_hex(CAST(EXTRACT(EPOCH FROM at) * 1000 AS bigint)), 12, '0') || '7'
                || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15) AS uuid),
           1, 'bench_noop', 'demo_tasks', 5, CASE WHEN waits THEN 'PENDING' ELSE 'COMPLETED' END,
           CASE WHEN waits THEN 1 ELSE 3 END, CASE WHEN waits THEN 0 ELSE 1 END, 4, 60, '{{"number": -1}}',
           CASE WHEN NOT waits THEN jsonb '{{"at": 0}}' END, at, at, at,
           CASE WHEN NOT waits THEN at END, CASE WHEN NOT waits THEN at END, CASE WHEN NOT waits THEN 'completed' END
    FROM generate_series({first}, {last}) AS n,
         LATERAL (SELECT now() - interval '40 days' + n * interval '0.5 s' AS at, {waits} AS waits) made
"""
CHUNK = 500_000
SECONDARY = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tasks' AND indexname <> 'tasks_pkey'"


@dataclass
class Arm:
    """One size, open for measuring."""

    connection: asyncpg.Connection
    db: Database
    api: Site
    polled: UUID
    who: Claimant = field(default_factory=lambda: Claimant(uuid4(), ("demo_tasks",), ("bench_noop",)))
    track: Track = field(default_factory=Track)


async def waiting(stage: Stage, sizes: Sequence[int], get_s: float, tell: Tell) -> dict[int, Track]:
    """By the number of tasks that wait."""
    return await _measured(stage, sizes, EVERY, "waiting", get_s, tell)


async def history(stage: Stage, sizes: Sequence[int], get_s: float, tell: Tell) -> dict[int, Track]:
    """By the number of rows, of which the newest two thousand wait."""
    return await _measured(stage, sizes, NEWEST, "rows", get_s, tell)


async def _measured(
    stage: Stage, sizes: Sequence[int], waits: str, label: str, get_s: float, tell: Tell
) -> dict[int, Track]:
    await stage.clear()
    await upgrade(stage.database_url)
    try:
        for size in sizes:
            tell(f"{label}: {size:,}")
            await _build(stage, size, waits)
        await stage.admin.execute("CHECKPOINT", timeout=120)
        async with contextlib.AsyncExitStack() as stack:
            arms = {size: await stack.enter_async_context(_opened(stage, size)) for size in sizes}
            for number in range(ROUNDS + 1):
                tell(f"{label}, round {number} of {ROUNDS}")
                for arm in arms.values():
                    await _round(arm, get_s / ROUNDS)
                    if number == 0:
                        arm.track = Track()
            return {size: arm.track for size, arm in arms.items()}
    finally:
        for size in sizes:
            await stage.admin.execute(f"DROP DATABASE IF EXISTS {_name(size)} WITH (FORCE)", timeout=60)


def _name(size: int) -> str:
    return f"{DATABASE}_{size}"


def _url(stage: Stage, size: int) -> str:
    return stage.database_url.rpartition("/")[0] + f"/{_name(size)}"


async def _build(stage: Stage, size: int, waits: str) -> None:
    """A database with so many rows. Indexes but the key's are made afterwards, which takes a third of the time."""
    await stage.admin.execute(f"CREATE DATABASE {_name(size)} TEMPLATE {DATABASE} OWNER taskrunner", timeout=60)
    connection = await asyncpg.connect(plain(_url(stage, size)), timeout=10)
    try:
        kept = await connection.fetch(SECONDARY)
        for row in kept:
            await connection.execute(f"DROP INDEX {row['indexname']}")
        await connection.execute("SET synchronous_commit = off")
        for first in range(0, size, CHUNK):
            last = min(first + CHUNK, size) - 1
            made = INSERT.format(first=first, last=last, waits=waits.format(last=size))
            await connection.execute(made, timeout=120)
        for row in kept:
            await connection.execute(row["indexdef"], timeout=120)
        await connection.execute("VACUUM (ANALYZE) tasks", timeout=120)
    finally:
        await connection.close(timeout=5)


@contextlib.asynccontextmanager
async def _opened(stage: Stage, size: int) -> AsyncIterator[Arm]:
    url = _url(stage, size)
    connection = await asyncpg.connect(plain(url), timeout=10)
    db = Database(url, pool_size=2, overflow=0, recycle=3_600, application="bench")
    try:
        env = environment(url, stage.redis_url, stage.folder, SLOTS)
        async with site("api", API_APP, "/health/ready", env, stage.folder) as api:
            arm = Arm(connection, db, api, await connection.fetchval("SELECT id FROM tasks ORDER BY id LIMIT 1"))
            async with db.autocommit() as session:
                await session.execute(text(WORKER), {"id": arm.who.worker_id})
            beating = asyncio.create_task(_beat(arm), name="beat")
            try:
                yield arm
            finally:
                await end(beating)
    finally:
        await db.close()
        await connection.close(timeout=5)


async def _beat(arm: Arm) -> None:
    """The API watches: whose heart stands still claims nothing more."""
    while True:
        async with arm.db.autocommit() as session:
            await session.execute(text("UPDATE workers SET beat = beat + 1 WHERE id = :id"), {"id": arm.who.worker_id})
        await asyncio.sleep(BEAT_S)


async def _round(arm: Arm, get_s: float) -> None:
    await _claims(arm)
    load = Load(arm.api.port, "GET", f"/api/v1/tasks/{arm.polled}", "", 200, GET_CONNECTIONS, get_s)
    measured = await run_apart(load)
    arm.track.note("get_p50", measured.p50_ms)
    arm.track.note("get_p99", measured.p99_ms)
    for took in await Rows(arm.connection).commits_ms(CLAIMS):
        arm.track.note("commit", took)


async def _claims(arm: Arm) -> None:
    """Of ten tasks, by order and by id, in milliseconds. The next claim takes the next ten."""
    for _ in range(CLAIMS):
        async with arm.db.lane("claim") as lane:
            began_at = time.perf_counter()
            runs = await claim.claim_by_order(lane, arm.who, uuid4(), CLAIM_SIZE)
            arm.track.note("claim_by_order", (time.perf_counter() - began_at) * 1e3)
        ids = [run.id for run in runs]
        await arm.connection.execute(
            "UPDATE tasks SET status = 'RETRYING', lease = NULL, version = version + 1 WHERE id = ANY($1)", ids
        )
        async with arm.db.lane("claim") as lane:
            began_at = time.perf_counter()
            await claim.claim_by_ids(lane, arm.who, uuid4(), ids)
            arm.track.note("claim_by_ids", (time.perf_counter() - began_at) * 1e3)
        if len(runs) != CLAIM_SIZE:
            raise RuntimeError(f"{len(runs)} tasks were claimed of {CLAIM_SIZE}")
