"""The daily cleanup: final tasks with their attempts, workflows and files leave, older than RETENTION_DAYS.

Its cutoff stands still from one 02:00 UTC to the next, so a day's part becomes due at that moment and there is no
schedule to keep: every worker looks once a minute, one at a time walks, and whatever a dead one left undone is the
next one's. It does not plan for speed: batches of milliseconds, and four times as long a pause after each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.statements import retention as statements
from shared.db.statements import workflow_moves
from shared.db.statements.retention import OldFile
from shared.db.statements.schedules import has_run, is_enabled
from shared.domain.errors import NotFound
from shared.domain.schedule import CLEANUP
from shared.logs import get_logger
from shared.queue.files import FileRecords
from shared.queue.stores import Stores

TASKS_BATCH = 500
FILES_BATCH = 500
WORKFLOWS_BATCH = 50
NODES_BATCH = 1_000
"""Nodes that leave with the workflows of one batch, about."""
PAUSES = 4
"""The length of a pause, in lengths of the batch before it: at most a fifth of one connection's time is spent."""
ROUND_SECONDS = 45.0
"""A round holds one connection of the pool, and the lock; the next one goes on where it ended."""
FIRST = UUID(int=0)
log = get_logger(__name__)


@dataclass(slots=True)
class Walk:
    """How far this process has come towards a cutoff: the last ids seen; None: through."""

    before: datetime
    task: UUID | None = FIRST
    file: UUID | None = FIRST
    has_workflows: bool = True

    @property
    def is_over(self) -> bool:
        return self.task is None and self.file is None and not self.has_workflows


@dataclass(slots=True)
class Removed:
    """What one round removed."""

    tasks: int = 0
    files: int = 0
    workflows: int = 0


class Cleanup:
    """One process's part. It remembers its walk, so that rows which stay are not looked at every minute."""

    def __init__(self, *, round_seconds: float = ROUND_SECONDS) -> None:
        self._round_seconds = round_seconds
        self._walk: Walk | None = None

    async def run(self, stores: Stores) -> Removed | None:
        """Remove what is due, for one round at most; None: nothing is due, or another process is at it.

        Raises: StoreUnavailable.
        """
        async with stores.db.autocommit() as session:
            if not await is_enabled(session, CLEANUP):
                return None
            before = await statements.cutoff(session, days=stores.settings.retention_days)
            if self._walk is None or self._walk.before != before:
                self._walk = Walk(before)
            if self._walk.is_over:
                return None
            async with statements.alone(session) as is_alone:
                removed = await self._round(session, stores, self._walk) if is_alone else None
            if removed is not None and self._walk.is_over:
                await has_run(session, CLEANUP)
            return removed

    async def _round(self, session: AsyncSession, stores: Stores, walk: Walk) -> Removed:
        started_at = time.monotonic()
        ends_at = started_at + self._round_seconds
        removed = Removed()
        try:
            await _prune_tasks(session, walk, ends_at, removed)
            await _prune_workflows(session, walk, ends_at, removed)
            await _remove_files(session, stores, walk, ends_at, removed)
        finally:
            if removed.tasks or removed.files or removed.workflows:
                seconds = round(time.monotonic() - started_at, 3)
                log.info(
                    "chore_done",
                    chore="cleanup_old_tasks",
                    tasks=removed.tasks,
                    files=removed.files,
                    workflows=removed.workflows,
                    seconds=seconds,
                    is_over=walk.is_over,
                )
        return removed


async def _prune_tasks(session: AsyncSession, walk: Walk, ends_at: float, removed: Removed) -> None:
    while walk.task is not None and time.monotonic() < ends_at:
        async with _paced():
            batch = await statements.prune_tasks(session, after=walk.task, before=walk.before, most=TASKS_BATCH)
            removed.tasks += batch.removed
            walk.task = batch.last


async def _prune_workflows(session: AsyncSession, walk: Walk, ends_at: float, removed: Removed) -> None:
    """After their tasks, so that none is left which knows of a workflow that is gone."""
    while walk.task is None and walk.has_workflows and time.monotonic() < ends_at:
        async with _paced():
            gone = await workflow_moves.prune(session, before=walk.before, most=WORKFLOWS_BATCH, most_nodes=NODES_BATCH)
            removed.workflows += gone
            walk.has_workflows = gone > 0


async def _remove_files(session: AsyncSession, stores: Stores, walk: Walk, ends_at: float, removed: Removed) -> None:
    """After the tasks: a round that ended among those looks at no file."""
    records = FileRecords(stores)
    while walk.task is None and walk.file is not None and time.monotonic() < ends_at:
        async with _paced():
            found = await statements.old_files(session, after=walk.file, before=walk.before, most=FILES_BATCH)
            for file in found:
                if not file.is_named:
                    await _remove(records, file, removed)
            walk.file = found[-1].id if len(found) == FILES_BATCH else None


async def _remove(records: FileRecords, file: OldFile, removed: Removed) -> None:
    """The record, then the bytes, one file at a time and to its end: a cancel in between leaves no bytes behind."""
    removal = asyncio.ensure_future(records.delete(file.tenant_id, file.id))
    try:
        await asyncio.shield(removal)
        removed.files += 1
    except NotFound:
        pass  # its owner was faster
    except OSError as error:
        log.warning("file_bytes_left", file=str(file.id), reason=error.strerror)
    except asyncio.CancelledError:
        await asyncio.wait([removal])
        raise


@asynccontextmanager
async def _paced() -> AsyncIterator[None]:
    """Follow a batch by a pause in proportion: the slower the database is, the longer it is left alone."""
    started_at = time.monotonic()
    yield
    await asyncio.sleep(PAUSES * (time.monotonic() - started_at))
