"""Tasks and files of long ago, and what is left of them once they were due for removal."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.domain.ids import first_id_at
from shared.domain.task import NewTask, Task
from shared.domain.verdict import TaskError, completed, retried
from shared.queue.cancel import cancel
from shared.queue.claim import Claimant, claim_hinted
from shared.queue.files import FileRecords
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from shared.queue.submit import submit

Planned = Callable[..., NewTask]
OLD = timedelta(days=40)
YOUNG = timedelta(days=29)
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
    await FileRecords(stores).add(1, file_id, "a.txt", written, "text/plain")
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
