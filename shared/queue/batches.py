"""What a process does thousands of times a second, one by one for its callers and in batches for the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.batching import Batcher
from shared.db.session import Database
from shared.db.statements.lookup import get_tasks
from shared.db.statements.submit import insert_tasks
from shared.domain.task import NewTask, Task

Submitted = tuple[int, Sequence[NewTask]]
"""The tasks of one call, and whose they are."""


class Batches:
    """Submits and reads that share a statement with whoever came meanwhile, each kind on its own lane."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.submits: Batcher[Submitted, datetime] = Batcher(self._submit)
        self.lookups: Batcher[tuple[int, UUID], Task | None] = Batcher(self._look_up)

    async def close(self) -> None:
        await self.submits.close()
        await self.lookups.close()

    async def _submit(self, calls: Sequence[Submitted]) -> Sequence[datetime]:
        owned = [(tenant_id, task) for tenant_id, tasks in calls for task in tasks]
        async with self._db.lane("submit") as lane:
            created_at = await insert_tasks(lane, owned)
        return [created_at] * len(calls)

    async def _look_up(self, wanted: Sequence[tuple[int, UUID]]) -> Sequence[Task | None]:
        async with self._db.lane("lookup") as lane:
            found = await get_tasks(lane, wanted)
        return [_owned(found.get(task_id), tenant_id) for tenant_id, task_id in wanted]


def _owned(task: Task | None, tenant_id: int) -> Task | None:
    """Two tenants may ask for one id in one batch: it is one's alone."""
    return task if task is not None and task.tenant_id == tenant_id else None
