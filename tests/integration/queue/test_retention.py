"""The daily cleanup on the real stores: only what is final and old goes, once, whole, and never two at a time."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from structlog.testing import capture_logs

from shared.db.statements import retention as statements
from shared.domain.ids import first_id_at, new_id
from shared.domain.task import NewTask, Task
from shared.domain.verdict import TaskError, completed, retried
from shared.queue import retention
from shared.queue.cancel import cancel
from shared.queue.claim import Claimant, claim_hinted
from shared.queue.files import FileRecords
from shared.queue.retention import FIRST, Cleanup, Removed
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.registry import Registry
from tests.integration.db.test_plans import ATTEMPTS, FLOW_NODES, FLOWS, SEED, Recorded, is_ours, plan_of, walk
from tests.support.servers import Servers
from worker.maintenance import loops

Planned = Callable[..., NewTask]
OLD = timedelta(days=40)
YOUNG = timedelta(days=29)
PATIENCE_SECONDS = 10.0
ERROR = TaskError("RuntimeError", "it broke", retryable=True)


def id_of(age: timedelta) -> UUID:
    """A UUIDv7 as it was made ``age`` ago."""
    return UUID(int=first_id_at(datetime.now(UTC) - age).int | 0x7 << 76 | 0x2 << 62 | secrets.randbits(62))


async def execute(stores: Stores, statement: str, **values: object) -> list[Any]:
    async with stores.db.autocommit() as session:
        result = await session.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []  # type: ignore[attr-defined]


async def waiting(stores: Stores, planned: Planned, age: timedelta = OLD, **given: object) -> Task:
    return (await submit(stores, 1, [planned(id=id_of(age), **given)]))[0]


async def ended(stores: Stores, planned: Planned, age: timedelta = OLD, *, made: timedelta | None = None) -> UUID:
    """A task that was cancelled ``age`` ago, and submitted then or before."""
    task = await waiting(stores, planned, made or age)
    await cancel(stores, 1, task.id)
    await backdate(stores, task.id, age)
    return task.id


async def backdate(stores: Stores, task_id: UUID, age: timedelta) -> None:
    await execute(
        stores, "UPDATE tasks SET finished_at = now() - CAST(:age AS interval) WHERE id = :id", id=task_id, age=age
    )


async def tried(stores: Stores, planned: Planned, claimant: Claimant) -> UUID:
    """An old task that completed at its second attempt."""
    task = await waiting(stores, planned)
    for verdict in (retried(ERROR, timedelta(0)), completed("1")):
        [run] = await claim_hinted(stores, claimant, [task.id])
        await settle(stores, [Settlement(1, run.id, run.lease, verdict, None)])
    await backdate(stores, task.id, OLD)
    return task.id


async def left(stores: Stores) -> set[UUID]:
    return {row.id for row in await execute(stores, "SELECT id FROM tasks")}


async def count(stores: Stores, table: str) -> int:
    [(found,)] = await execute(stores, f"SELECT count(*) FROM {table}")  # noqa: S608 - our own names
    return int(found)


async def stored(stores: Stores, age: timedelta = OLD) -> UUID:
    """A file that was uploaded ``age`` ago."""
    file_id = id_of(age)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"bytes"

    written = await stores.storage.write(1, file_id, chunks())
    await FileRecords(stores).add(1, file_id, "a.txt", written.size, written.sha256, "text/plain")
    await execute(
        stores, "UPDATE files SET created_at = now() - CAST(:age AS interval) WHERE id = :id", id=file_id, age=age
    )
    return file_id


async def files_left(stores: Stores) -> set[UUID]:
    """Files that have a record, each with its bytes."""
    found = {row.id for row in await execute(stores, "SELECT id FROM files")}
    on_disk = {UUID(path.name) for path in (stores.settings.storage_dir / "1").rglob("*-*") if path.is_file()}
    assert on_disk == found
    return found


async def unlocked(stores: Stores) -> bool:
    """Whether no connection, not even one in the pool, still holds the cleanup's lock."""
    held = "SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = "
    return not await execute(stores, held + "current_database()")


async def emptied(stores: Stores) -> bool:
    """Whether another process's cleanup has removed all there was."""
    await Cleanup().run(stores)
    return await count(stores, "tasks") == 0


async def eventually(condition: Callable[[], Awaitable[object]]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        assert time.monotonic() < ends_at, "it did not come true"
        await asyncio.sleep(0.02)


def test_an_id_is_below_every_id_of_its_moment_and_above_all_before() -> None:
    before, moment = new_id(), datetime.fromtimestamp(time.time() + 1, UTC)
    assert before < first_id_at(moment) < id_of(timedelta(seconds=-1))
    assert first_id_at(datetime(1970, 1, 1, tzinfo=UTC)) == FIRST


async def test_a_days_part_becomes_due_at_two_o_clock(stores: Stores) -> None:
    async with stores.db.autocommit() as session:
        before = await statements.cutoff(session, days=30)
    age = datetime.now(UTC) - before
    assert (before.hour, before.minute, before.second) == (2, 0, 0)
    assert timedelta(days=30) <= age < timedelta(days=31)


async def test_only_what_is_final_and_old_goes(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await ended(stores, planned)
    young = await ended(stores, planned, YOUNG)
    ended_late = await ended(stores, planned, YOUNG, made=OLD)
    waits = await waiting(stores, planned)
    runs = await waiting(stores, planned)
    assert await claim_hinted(stores, claimant, [runs.id])
    assert await Cleanup().run(stores) == Removed(tasks=1)
    assert await left(stores) == {young, ended_late, waits.id, runs.id}


async def test_attempts_go_with_their_task(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await tried(stores, planned, claimant)
    assert await count(stores, "attempts") == 1
    assert await Cleanup().run(stores) == Removed(tasks=1)
    assert await count(stores, "attempts") == 0


async def test_old_files_go_and_their_bytes_too(stores: Stores) -> None:
    await stored(stores)
    young = await stored(stores, YOUNG)
    assert await Cleanup().run(stores) == Removed(files=1)
    assert await files_left(stores) == {young}


@pytest.mark.parametrize(
    "spelled", [str, lambda id_: id_.hex.upper(), lambda id_: id_.urn], ids=["usual", "hex", "urn"]
)
@pytest.mark.parametrize("does_run", [False, True], ids=["waits", "runs"])
async def test_a_file_that_an_unfinished_task_names_stays(
    stores: Stores, planned: Planned, claimant: Claimant, spelled: Callable[[UUID], str], does_run: bool
) -> None:
    kept = await stored(stores)
    await stored(stores)
    task = await waiting(stores, planned, YOUNG, input={"parts": [{"file": spelled(kept)}]})
    if does_run:
        assert await claim_hinted(stores, claimant, [task.id])
    assert await Cleanup().run(stores) == Removed(files=1)
    assert await files_left(stores) == {kept}


async def test_another_tenants_task_keeps_no_file(stores: Stores, planned: Planned) -> None:
    file_id = await stored(stores)
    await execute(stores, "INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING")
    await submit(stores, 2, [planned(input={"file_id": str(file_id)})])
    assert await Cleanup().run(stores) == Removed(files=1)


async def test_a_final_task_keeps_no_file(stores: Stores, planned: Planned) -> None:
    file_id = await stored(stores)
    task = await waiting(stores, planned, YOUNG, input={"file_id": str(file_id)})
    await cancel(stores, 1, task.id)
    assert await Cleanup().run(stores) == Removed(files=1)


async def test_bytes_that_cannot_be_removed_stop_nothing(stores: Stores) -> None:
    stuck = await stored(stores)
    await stored(stores)
    path = stores.storage.path(1, stuck)
    path.unlink()
    path.mkdir()
    with capture_logs() as logs:
        assert await Cleanup().run(stores) == Removed(files=1)
    assert [line["file"] for line in logs if line["event"] == "file_bytes_left"] == [str(stuck)]
    assert await count(stores, "files") == 0


async def test_a_file_whose_owner_was_faster_is_not_counted(stores: Stores) -> None:
    removed = Removed()
    await retention._remove(FileRecords(stores), statements.OldFile(1, new_id(), is_named=False), removed)
    assert removed == Removed()


async def test_what_was_done_is_logged(stores: Stores, planned: Planned) -> None:
    await ended(stores, planned)
    await stored(stores)
    with capture_logs() as logs:
        await Cleanup().run(stores)
    [line] = logs
    assert (line["event"], line["chore"], line["tasks"], line["files"], line["is_over"]) == (
        "chore_done", "cleanup_old_tasks", 1, 1, True,
    )  # fmt: skip
    assert line["seconds"] > 0


async def test_a_walk_that_is_over_is_not_walked_again(stores: Stores, planned: Planned) -> None:
    cleanup = Cleanup()
    assert await cleanup.run(stores) == Removed()
    await ended(stores, planned)
    assert await cleanup.run(stores) is None
    assert await Cleanup().run(stores) == Removed(tasks=1), "another process has its own walk"


async def test_a_round_ends_in_time_and_the_next_goes_on(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "TASKS_BATCH", 2)
    monkeypatch.setattr(retention, "FILES_BATCH", 2)
    keeps = [(await waiting(stores, planned)).id for _ in range(5)]
    for _ in range(5):
        await ended(stores, planned)
        await stored(stores)
    cleanup, rounds = Cleanup(round_seconds=0.001), []
    while (removed := await cleanup.run(stores)) is not None:
        rounds.append(removed)
    assert (sum(r.tasks for r in rounds), sum(r.files for r in rounds)) == (5, 5)
    assert len(rounds) > 2
    assert await left(stores) == set(keeps)


async def test_of_two_at_once_one_stands_back(stores: Stores, planned: Planned) -> None:
    await ended(stores, planned)
    async with stores.db.autocommit() as session, statements.alone(session) as is_alone:
        assert is_alone
        assert await Cleanup().run(stores) is None
        assert await count(stores, "tasks") == 1
    assert await Cleanup().run(stores) == Removed(tasks=1)


async def test_many_at_once_remove_each_row_once(stores: Stores, planned: Planned) -> None:
    for _ in range(60):
        await ended(stores, planned)
    before = datetime.now(UTC) - timedelta(days=30)

    async def prune() -> int:
        # Without the lock: the statement alone must be safe, too.
        async with stores.db.autocommit() as session:
            return (await statements.prune_tasks(session, after=FIRST, before=before, most=60)).removed

    assert sum(await asyncio.gather(*(prune() for _ in range(5)))) == 60
    assert await count(stores, "tasks") == 0


async def test_a_row_that_somebody_moves_is_passed_by(stores: Stores, planned: Planned) -> None:
    moved, gone = await ended(stores, planned), await ended(stores, planned)
    async with stores.db.transaction() as session:
        await session.execute(text("SELECT FROM tasks WHERE id = :id FOR NO KEY UPDATE"), {"id": moved})
        assert await Cleanup().run(stores) == Removed(tasks=1)
    assert await left(stores) == {moved}
    assert gone not in await left(stores)


async def test_one_cancelled_in_mid_batch_leaves_nothing_half(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    tasks = [await tried(stores, planned, claimant) for _ in range(3)]
    async with stores.db.transaction() as session:
        # The batch has deleted the rows, and waits for the attempts of the last.
        await session.execute(text("SELECT FROM attempts WHERE task_id = :id FOR UPDATE"), {"id": tasks[-1]})
        pruning = asyncio.create_task(Cleanup().run(stores))
        await eventually(lambda: execute(stores, "SELECT 1 FROM pg_locks WHERE NOT granted"))
        pruning.cancel()
        await asyncio.wait([pruning])
        assert pruning.cancelled()
    assert await left(stores) == set(tasks)
    assert await count(stores, "attempts") == 3
    await eventually(lambda: unlocked(stores))
    await eventually(lambda: emptied(stores))
    assert await count(stores, "attempts") == 0


async def test_one_cancelled_between_batches_frees_the_lock(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "TASKS_BATCH", 1)
    monkeypatch.setattr(retention, "PAUSES", 1_000_000)
    await ended(stores, planned)
    await ended(stores, planned)
    pruning = asyncio.create_task(Cleanup().run(stores))

    async def has_begun() -> bool:
        return await count(stores, "tasks") == 1

    await eventually(has_begun)
    pruning.cancel()
    await asyncio.wait([pruning])
    assert pruning.cancelled()
    monkeypatch.undo()
    await eventually(lambda: unlocked(stores))
    await eventually(lambda: emptied(stores))


async def test_a_file_is_removed_to_its_end_though_cancelled(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    await stored(stores)
    reached, go_on, delete = asyncio.Event(), asyncio.Event(), stores.storage.delete

    async def slowly(tenant_id: int, file_id: UUID) -> None:
        reached.set()
        await go_on.wait()
        await delete(tenant_id, file_id)

    monkeypatch.setattr(stores.storage, "delete", slowly)
    pruning = asyncio.create_task(Cleanup().run(stores))
    await asyncio.wait_for(reached.wait(), PATIENCE_SECONDS)
    pruning.cancel()
    go_on.set()
    await asyncio.wait([pruning])
    assert pruning.cancelled()
    assert await files_left(stores) == set()


async def test_every_worker_does_it(stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "CLEANUP_SECONDS", 0.05)
    await ended(stores, planned)
    maintaining = asyncio.create_task(loops.maintain(stores, Registry(())))

    async def is_gone() -> bool:
        return await count(stores, "tasks") == 0

    try:
        await eventually(is_gone)
    finally:
        maintaining.cancel()
        await asyncio.wait([maintaining])


class RecordedOne(Recorded):
    def one(self) -> statements.PrunedBatch:
        return _Nothing()  # type: ignore[return-value]


class _Nothing:
    removed, walked, last = 0, 0, None


@pytest_asyncio.fixture(scope="module")
async def grown(servers: Servers) -> AsyncIterator[AsyncConnection]:
    """A database of 40,000 tasks and 20,000 files, analysed."""
    with servers.lend_database() as url:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as opened:
            await opened.exec_driver_sql("INSERT INTO tenants (id, name) SELECT n, n FROM generate_series(2, 200) AS n")
            await opened.exec_driver_sql(SEED)
            await opened.exec_driver_sql(ATTEMPTS)
            await opened.exec_driver_sql(FLOWS)
            await opened.exec_driver_sql(FLOW_NODES)
            await opened.exec_driver_sql(
                "INSERT INTO files (id, tenant_id, name, size, sha256, media_type)"
                " SELECT id, tenant_id, 'a', 1, 'b', 'c' FROM tasks LIMIT 20000"
            )
            await opened.execute(text("VACUUM ANALYZE"))
            yield opened
        await engine.dispose()


PLANS: dict[str, tuple[Callable[[AsyncSession], Awaitable[object]], set[str]]] = {
    "tasks": (
        lambda s: statements.prune_tasks(s, after=FIRST, before=datetime.now(UTC), most=500),
        {"tasks_pkey"},
    ),
    "files": (
        lambda s: statements.old_files(s, after=FIRST, before=datetime.now(UTC), most=100),
        {"files_pkey", "tasks_claim", "tasks_running"},
    ),
}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", PLANS)
async def test_a_batch_goes_by_its_index(grown: AsyncConnection, name: str, mode: str) -> None:
    call, indexes = PLANS[name]
    recorded = RecordedOne()
    await call(cast("AsyncSession", recorded))
    nodes = list(walk(await plan_of(grown, recorded, mode)))
    assert [node for node in nodes if node["Node Type"] == "Seq Scan"] == []
    used = {node["Index Name"] for node in nodes if is_ours(node) or "files" in str(node.get("Index Name"))}
    assert used == indexes
