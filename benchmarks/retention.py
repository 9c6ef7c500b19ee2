"""What retention costs: batched deletes against partitions, at any number of rows, on a PostgreSQL of its own.

    python -m benchmarks.retention --data /var/tmp/retention [--rows 5000000] [--only walk,partitions] (6 GB a copy)

A fifth of the rows is old. Each layout works on a copy of one seeded database; statements are the product's own.
fsync is on. Results go to stdout as lines of a table; docs/design/0003-retention.md quotes them.
"""

# ruff: noqa: S608 - statements are built from this module's own names
from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import asyncpg
from sqlalchemy import text

from benchmarks.history import CUTOFF, FINISHED, FIRST, OLD_DAYS, SERVER, START, Bench, partition_statements, say
from shared.db.session import Database
from shared.db.statements import claim, retention, settle, submit
from shared.db.statements.claim import Claimant
from shared.domain.ids import first_id_at, new_id
from shared.domain.task import NewTask
from shared.domain.verdict import completed
from shared.embedded.postgres import Postgres
from tests.support.servers import started

T = TypeVar("T")


class Traffic:
    """What a busy service does: submit ten, claim them, settle them, about 20 times a second, each step timed."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._who = Claimant(uuid4(), ("demo_tasks",), ("simple_calculation",))
        self.ms: dict[str, list[float]] = {"submit": [], "claim": [], "poll": [], "settle": []}

    async def register(self) -> None:
        async with self._db.autocommit() as session:
            await session.execute(
                text(
                    "INSERT INTO workers (id, hostname, pid, queues, types, missing, concurrency, pool_size,"
                    " pool_overflow, version) VALUES (:id, 'here', 1, '{}', '{}', '{}', 1, 1, 1, '0')"
                ),
                {"id": self._who.worker_id},
            )

    async def cycle(self, size: int = 10) -> None:
        tasks = [
            NewTask(id=new_id(), type="simple_calculation", input={"a": 1, "b": 2, "operation": "add"},
                    queue="demo_tasks", priority=4, timeout=60.0, max_attempts=4)
            for _ in range(size)
        ]  # fmt: skip
        ids = [task.id for task in tasks]
        async with self._db.autocommit() as session:
            await self._timed("submit", submit.insert_tasks(session, [(1, task) for task in tasks]))
            hinted = self._timed("claim", claim.claim_by_ids(session, self._who, uuid4(), ids[: size // 2]))
            polled = self._timed("poll", claim.claim_by_order(session, self._who, uuid4(), size))
            runs = [*await hinted, *await polled]
            ends = [
                settle.Settlement(run.tenant_id, run.id, run.lease, completed('{"result": 3}'), None) for run in runs
            ]
            await self._timed("settle", settle.settle(session, ends))

    async def _timed(self, name: str, work: Awaitable[T]) -> T:
        started_at = time.perf_counter()
        try:
            return await work
        finally:
            self.ms[name].append((time.perf_counter() - started_at) * 1e3)

    async def flow(self, until: Callable[[], bool], pause: float = 0.03) -> None:
        while not until():
            await self.cycle()
            await asyncio.sleep(pause)

    def report(self, label: str) -> None:
        shown = []
        for name, values in self.ms.items():
            if len(values) > 20:
                shown.append(f"{name} {statistics.median(values):.1f}/{statistics.quantiles(values, n=100)[98]:.1f}")
            values.clear()
        say(f"{label}: p50/p99 ms {' · '.join(shown)}")


async def quiet(traffic: Traffic, label: str, seconds: float = 15.0) -> None:
    ends_at = time.monotonic() + seconds
    await traffic.flow(lambda: time.monotonic() > ends_at)
    traffic.report(label)


async def compared(bench: Bench, traffics: dict[str, Traffic], rounds: int = 7, cycles: int = 30) -> None:
    """Rate and WAL of submit, claim and settle, 100 at a time, on each layout in turn: the machine is noisy."""
    rates: dict[str, list[float]] = {name: [] for name in traffics}
    written: dict[str, list[float]] = {name: [] for name in traffics}
    for _ in range(rounds):
        for name, traffic in traffics.items():
            before, started_at = await wal(bench), time.perf_counter()
            for _ in range(cycles):
                await traffic.cycle(100)
            rates[name].append(cycles * 100 / (time.perf_counter() - started_at))
            written[name].append((await wal(bench) - before) / (cycles * 100))
    for name, traffic in traffics.items():
        rate, size = statistics.median(rates[name]), statistics.median(written[name])
        spread = f"{min(rates[name]):.0f}–{max(rates[name]):.0f}"
        traffic.report(f"{name}: median {rate:.0f} tasks/s ({spread}), {size:.2f} WAL records a task")


async def wal(bench: Bench) -> int:
    """WAL records so far. Bytes would tell more of checkpoints than of the layout."""
    return int((await bench.sql("taskrunner", "SELECT wal_records FROM pg_stat_wal"))[0]["wal_records"])


async def meanwhile(traffic: Traffic, label: str, work: Awaitable[str]) -> None:
    """Run ``work`` beside the traffic, and report both."""
    done = asyncio.ensure_future(work)
    await asyncio.gather(traffic.flow(done.done), done)
    traffic.report(f"{label}: {done.result()}")


async def prune(db: Database, *, most: int, pauses: float, rows: int | None = None, seconds: float = 600) -> str:
    """Walk and delete by the product's statement; ``rows``: stop after so many."""
    removed, after, slowest = 0, FIRST, 0.0
    started_at = time.perf_counter()
    async with db.autocommit() as session:
        while time.perf_counter() - started_at < seconds and (rows is None or removed < rows):
            began_at = time.perf_counter()
            batch = await retention.prune_tasks(session, after=after, before=CUTOFF, most=most)
            took = time.perf_counter() - began_at
            removed, slowest = removed + batch.removed, max(slowest, took)
            if batch.last is None:
                break
            after = batch.last
            await asyncio.sleep(pauses * took)
    took = time.perf_counter() - started_at
    return f"{removed} in {took:.1f} s ({removed / took:.0f}/s), slowest batch {slowest * 1e3:.0f} ms"


async def vacuum(bench: Bench, name: str) -> None:
    sizes = "SELECT pg_total_relation_size('tasks') / 1e6 AS mb"
    before = (await bench.sql(name, sizes))[0]["mb"]
    started_at = time.perf_counter()
    await bench.sql(name, "VACUUM (ANALYZE) tasks")
    after = (await bench.sql(name, sizes))[0]["mb"]
    say(f"{name}: vacuum {time.perf_counter() - started_at:.1f} s, {before:.0f} → {after:.0f} MB")


async def walk(bench: Bench) -> None:
    """As the product does it: by primary key, in batches."""
    async with bench.copy("walk") as db:
        traffic = Traffic(db)
        await traffic.register()
        await quiet(traffic, "walk, quiet")
        for most in (100, 500, 2_000, 10_000):
            work = prune(db, most=most, pauses=0, rows=150_000)
            await meanwhile(traffic, f"walk, batches of {most}, no pause", work)
        for _ in range(3):
            await quiet(traffic, "walk, quiet", 12)
            await meanwhile(traffic, "walk, batches of 500, pauses of 4", prune(db, most=500, pauses=4, seconds=8))
        say(f"walk, the rest alone: {await prune(db, most=500, pauses=0)}")
        await vacuum(bench, "walk")
        await quiet(traffic, "walk, quiet afterwards")


async def index(bench: Bench) -> None:
    """The same rows by an index on ``finished_at``: what the index costs everybody else."""
    by_index = (
        "WITH pick AS (SELECT id FROM tasks WHERE finished_at < $1 ORDER BY finished_at LIMIT $2"
        " FOR UPDATE SKIP LOCKED) DELETE FROM tasks WHERE id = ANY(ARRAY(SELECT id FROM pick))"
    )
    async with bench.copy("index", FINISHED) as db:
        traffic = Traffic(db)
        await traffic.register()
        await quiet(traffic, "index, quiet")
        size = await bench.sql("index", "SELECT pg_relation_size('tasks_finished') / 1e6 AS mb")
        say(f"index, its size: {size[0]['mb']:.0f} MB")
        connection = await asyncpg.connect(bench.url_of("index").replace("+asyncpg", "", 1))
        started_at, removed = time.perf_counter(), 0
        while time.perf_counter() - started_at < 20:
            removed += int((await connection.execute(by_index, CUTOFF, 500)).split()[-1])
        say(f"index, batches of 500, alone: {removed / (time.perf_counter() - started_at):.0f}/s")
        await connection.close()


async def attempts(bench: Bench) -> None:
    """ON DELETE CASCADE, beside an explicit delete before it, beside no foreign key at all."""
    explicit = retention.PRUNE_TASKS.text.replace(
        "gone AS (",
        "theirs AS (DELETE FROM attempts a WHERE a.task_id = ANY(ARRAY(SELECT id FROM pick))), gone AS (",
    )
    product = retention.PRUNE_TASKS
    async with bench.copy("attempts") as db:
        say(f"cascade alone: {await prune(db, most=500, pauses=0, rows=200_000)}")
        retention.PRUNE_TASKS = text(explicit)
        say(f"explicit and cascade: {await prune(db, most=500, pauses=0, rows=200_000)}")
        await bench.sql("attempts", "ALTER TABLE attempts DROP CONSTRAINT attempts_task_id_fkey")
        say(f"explicit, no foreign key: {await prune(db, most=500, pauses=0, rows=200_000)}")
        retention.PRUNE_TASKS = product


async def partitions(bench: Bench) -> None:
    """One partition a day; the old ones are emptied of what must stay, detached and dropped."""
    async with bench.copy("parts", *await partition_statements(bench)) as db:
        traffic = Traffic(db)
        await traffic.register()
        await quiet(traffic, "partitions, quiet")
        await meanwhile(traffic, "partitions, detach and drop", drop_old(bench))


async def side_by_side(bench: Bench) -> None:
    """What each layout costs those who submit, claim and settle."""
    parts = await partition_statements(bench)
    async with bench.copy("walk") as flat, bench.copy("index", FINISHED) as indexed, bench.copy("parts", *parts) as cut:
        await raced(bench, {"as it is": flat, "index on finished_at": indexed, "partitions": cut})


async def indexes(bench: Bench) -> None:
    """The first two alone, in more rounds: the difference is small."""
    async with bench.copy("walk") as flat, bench.copy("index", FINISHED) as indexed:
        await raced(bench, {"as it is": flat, "index on finished_at": indexed}, rounds=15)


async def raced(bench: Bench, layouts: dict[str, Database], rounds: int = 7) -> None:
    traffics = {name: Traffic(db) for name, db in layouts.items()}
    for traffic in traffics.values():
        await traffic.register()
        await traffic.cycle()
    await compared(bench, traffics, rounds)


async def drop_old(bench: Bench) -> str:
    connection = await asyncpg.connect(bench.url_of("parts").replace("+asyncpg", "", 1))
    took: list[float] = []
    kept, started_at = 0, time.perf_counter()
    for n in range(OLD_DAYS):
        began_at = time.perf_counter()
        # What waits has to stay: a product would move it to another partition, which means to another id. Here it goes.
        kept = await connection.fetchval(f"SELECT count(*) FROM tasks_p{n} WHERE finished_at IS NULL")
        await connection.execute(f"DELETE FROM tasks_p{n} WHERE finished_at IS NULL")
        await connection.execute(
            "DELETE FROM attempts WHERE task_id >= $1 AND task_id < $2",
            first_id_at(START + timedelta(days=n)), first_id_at(START + timedelta(days=n + 1)),
        )  # fmt: skip
        await connection.execute(f"ALTER TABLE tasks DETACH PARTITION tasks_p{n}")
        await connection.execute(f"DROP TABLE tasks_p{n}")
        took.append(time.perf_counter() - began_at)
    await connection.close()
    total = time.perf_counter() - started_at
    return f"{OLD_DAYS} days in {total:.1f} s, slowest {max(took):.1f} s, {kept} a day would have had to move"


LAYOUTS = {
    "side_by_side": side_by_side,
    "indexes": indexes,
    "walk": walk,
    "index": index,
    "attempts": attempts,
    "partitions": partitions,
}


async def main(given: argparse.Namespace, server: Postgres) -> None:
    bench = Bench(server, given.rows)
    await bench.seed()
    for name in given.only.split(","):
        await LAYOUTS[name](bench)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--only", default=",".join(LAYOUTS))
    arguments = parser.parse_args()
    postgres = Postgres(arguments.data, settings=SERVER)
    with started(postgres):
        asyncio.run(main(arguments, postgres))
