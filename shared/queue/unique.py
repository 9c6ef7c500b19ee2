"""Storing tasks of which one may be there already: each is stored, or the one that was first is found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.db.lane import Runner
from shared.db.statements import unique as statements
from shared.domain.errors import Conflict
from shared.domain.task import NewTask, Task

TRIES = 5
"""The first may have ended between the look that met it and the one that reads it: so often in a row."""


async def insert_or_find(
    runner: Runner, tenant_id: int, tasks: Sequence[NewTask]
) -> tuple[dict[UUID, datetime], dict[UUID, Task]]:
    """What was stored and when, and for each other task the unfinished one of its type and key; by ids of ``tasks``.

    Raises: Conflict, where others submit and end the same task faster than it can be read.
    """
    inserted: dict[UUID, datetime] = {}
    existing: dict[UUID, Task] = {}
    left = list(tasks)
    for _ in range(TRIES):
        inserted |= await statements.insert_new(runner, tenant_id, left)
        left = [task for task in left if task.id not in inserted]
        if not left:
            return inserted, existing
        found = await statements.twins(runner, tenant_id, left)
        for task in left:
            if task.unique_key is not None and (twin := found.get((task.type, task.unique_key))):
                existing[task.id] = twin
        left = [task for task in left if task.id not in existing]
        if not left:
            return inserted, existing
    raise Conflict("Others submit and end the same task at this moment: try again.")
