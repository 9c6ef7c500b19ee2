"""What grows, and what that costs ours: waiting tasks, old rows, workers, tasks done; and what an idle worker asks for.

Rows are made by ``generate_series`` in the real schema. Sizes are measured one after another, so each stands beside a
yardstick of the same minute: a bare commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import text

from benchmarks.ground import API_APP, Site, environment, site
from benchmarks.load import Load, run_apart
from benchmarks.peers.catalogue import OURS, SLOTS, Peer
from benchmarks.race import Tell, Track, crowd
from benchmarks.rows import WORKER, Rows
from benchmarks.stage import Stage, plain
from benchmarks.venvs import environment as python_of
from shared.db.migrate import upgrade
from shared.db.session import Database
from shared.db.statements import claim
from shared.db.statements.claim import Claimant

CLAIMS, CLAIM_SIZE = 60, 10
GET_CONNECTIONS, GETS = 16, 3
IDLE_S = 10.0
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
COMPARED = (2, 8)
"""Workers whose rates are compared: measured in each repeat."""
SECONDARY = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tasks' AND indexname <> 'tasks_pkey'"


@dataclass(frozen=True)
class Reach:
    """How far each goes."""

    waiting: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    rows: tuple[int, ...] = (10_000, 100_000, 1_000_000, 5_000_000)
    workers: tuple[int, ...] = (1, 2, 4, 8)
    workers_tasks: int = 25_000
    memory_tasks: int = 200_000
    repeats: int = 2
    get_s: float = 3.0


QUICK = Reach((1_000, 100_000), (10_000, 500_000), (2, 8), 20_000, 50_000, 1, 1.5)


def waiting(stage: Stage, reach: Reach, tell: Tell) -> AsyncIterator[tuple[int, Track]]:
    """Cost of a claim and of a GET by the number of tasks that wait."""
    return _sizes(stage, reach, reach.waiting, "true", "waiting", tell)


def history(stage: Stage, reach: Reach, tell: Tell) -> AsyncIterator[tuple[int, Track]]:
    """The same by the number of rows, of which one or two thousand wait."""
    return _sizes(stage, reach, reach.rows, "n % greatest({last} / 2000, 1) = 0", "rows", tell)


async def _sizes(
    stage: Stage, reach: Reach, sizes: Sequence[int], waits: str, label: str, tell: Tell
) -> AsyncIterator[tuple[int, Track]]:
    await stage.clear()
    await upgrade(stage.database_url)
    connection = await asyncpg.connect(plain(stage.database_url), timeout=10)
    env = environment(stage.database_url, stage.redis_url, stage.folder, SLOTS)
    try:
        async with site("api", API_APP, "/health/ready", env, stage.folder) as api:
            there = 0
            for size in sizes:
                tell(f"{label}: {size:,}")
                await _insert(connection, there, size, waits)
                await stage.admin.execute("CHECKPOINT", timeout=120)
                there, track = size, Track()
                await _claims(stage, connection, track)
                await _gets(connection, api, reach.get_s, track)
                for took in await Rows(connection).commits_ms(CLAIMS):
                    track.note("commit", took)
                yield size, track
    finally:
        await connection.close(timeout=5)


async def _gets(connection: asyncpg.Connection, api: Site, seconds: float, track: Track) -> None:
    """Polls of one task over HTTP; several times, as the slowest of a short measure says little."""
    found = await connection.fetchval("SELECT id FROM tasks ORDER BY id LIMIT 1")
    for _ in range(GETS):
        load = Load(api.port, "GET", f"/api/v1/tasks/{found}", "", 200, GET_CONNECTIONS, seconds / GETS)
        measured = await run_apart(load)
        track.note("get_p50", measured.p50_ms)
        track.note("get_p99", measured.p99_ms)


async def _insert(connection: asyncpg.Connection, there: int, size: int, waits: str) -> None:
    """Up to ``size`` rows. Indexes but the key's are made afterwards, which takes a third of the time."""
    kept = await connection.fetch(SECONDARY)
    for row in kept:
        await connection.execute(f"DROP INDEX {row['indexname']}")
    await connection.execute("SET synchronous_commit = off")
    for first in range(there, size, CHUNK):
        last = min(first + CHUNK, size) - 1
        statement = INSERT.format(first=first, last=last, waits=waits.format(last=size))
        await connection.execute(statement, timeout=120)
    for row in kept:
        await connection.execute(row["indexdef"], timeout=120)
    await connection.execute("SET synchronous_commit = on")
    await connection.execute("VACUUM (ANALYZE) tasks", timeout=120)


async def _claims(stage: Stage, connection: asyncpg.Connection, track: Track) -> None:
    """Claims of ten, by order and by id, in milliseconds; what they claimed waits again afterwards."""
    db = Database(stage.database_url, pool_size=1, overflow=0, recycle=3_600, application="bench")
    who = Claimant(uuid4(), ("demo_tasks",), ("bench_noop",))
    try:
        async with db.autocommit() as session:
            await session.execute(text(WORKER), {"id": who.worker_id})
            for _ in range(CLAIMS):
                began_at = time.perf_counter()
                runs = await claim.claim_by_order(session, who, uuid4(), CLAIM_SIZE)
                track.note("claim_by_order", (time.perf_counter() - began_at) * 1e3)
                ids = [run.id for run in runs]
                await _wait_again(connection, ids)
                began_at = time.perf_counter()
                await claim.claim_by_ids(session, who, uuid4(), ids)
                track.note("claim_by_ids", (time.perf_counter() - began_at) * 1e3)
    finally:
        await db.close()


async def _wait_again(connection: asyncpg.Connection, ids: list[UUID]) -> None:
    await connection.execute(
        "UPDATE tasks SET status = 'RETRYING', lease = NULL, version = version + 1 WHERE id = ANY($1)", ids
    )


async def workers(stage: Stage, peers: Sequence[Peer], reach: Reach, tell: Tell) -> dict[str, dict[int, Track]]:
    """The rate of a drain by the number of workers."""
    tracks: dict[str, dict[int, Track]] = {}
    for repeat in range(reach.repeats):
        for peer in peers if repeat == 0 else (OURS,):
            python = await python_of(peer.environment, peer.packages, tell)
            count = reach.workers_tasks if peer is OURS else peer.drain
            ours = reach.workers if repeat == 0 else COMPARED
            for number in ours if peer is OURS else (1, 8):
                tell(f"{number} workers: {peer.name}")
                lap = await crowd(stage, peer, python, number, count, 10.0)
                for name, values in lap.figures.items():
                    tracks.setdefault(peer.name, {}).setdefault(number, Track()).note(name, values[0])
    return tracks


async def long_run(stage: Stage, python: Path, reach: Reach, tell: Tell) -> Track:
    """An idle worker: its memory, what it asks for; then its memory after each quarter of many tasks."""
    track, quarter = Track(), reach.memory_tasks // 4
    async with stage.fresh(OURS, python) as play, play.workers() as crew:
        tell("an idle worker")
        await crew.calm()
        track.note("memory_mib", crew.memory_mib)
        redis_before, sql_before = await stage.commands(), await stage.statements()
        await asyncio.sleep(IDLE_S)
        track.note("redis_commands_s", (await stage.commands() - redis_before) / IDLE_S)
        track.note("statements_s", (await stage.statements() - sql_before) / IDLE_S)
        for number in range(1, 5):
            tell(f"memory: {number * quarter:,} tasks")
            await play.ask("many", str(quarter))
            done = number * quarter
            if not await crew.until(_reached(stage, done), 60):
                raise TimeoutError(f"{stage.ledger.count} of {done} tasks after a minute")
            track.note("memory_mib", crew.memory_mib)
    return track


def _reached(stage: Stage, count: int) -> Callable[[], bool]:
    return lambda: stage.ledger.count >= count
