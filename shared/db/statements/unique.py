"""Tasks with a unique key: stored where none of their type and key waits or runs, else found.

``tasks_unique`` decides: it holds the unfinished tasks that have a key, and no others. Whoever comes second inserts
nothing, and waits until the first has committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from shared.db.lane import Runner
from shared.db.rows import TASK_COLUMNS, task_of
from shared.db.statements.submit import INSERT_ROWS, parameters_of
from shared.domain.task import NewTask, Task

UNFINISHED = "status IN ('PENDING', 'RETRYING', 'PROCESSING')"
TWICE = f"ON CONFLICT (tenant_id, type, unique_key) WHERE unique_key IS NOT NULL AND {UNFINISHED} DO NOTHING"

INSERT = text(
    INSERT_ROWS.format(
        column=", unique_key",
        value=", u.unique_key",
        array=", CAST(:unique_keys AS bytea[])",
        name=", unique_key",
    )
    + f"{TWICE} RETURNING id, created_at"
)
TWINS = text(f"""
    SELECT {TASK_COLUMNS}, t.unique_key
    FROM unnest(CAST(:types AS text[]), CAST(:keys AS bytea[])) AS u (type, key)
    JOIN tasks t ON t.tenant_id = :tenant_id AND t.type = u.type AND t.unique_key = u.key AND t.{UNFINISHED}
""")


async def insert_new(runner: Runner, tenant_id: int, tasks: Sequence[NewTask]) -> dict[UUID, datetime]:
    """Store those whose key nobody has; returns when each was, by id. A task that is missing was there already."""
    # In one order for everybody: two batches with the same keys do not wait in a circle.
    ordered = sorted(tasks, key=lambda task: (task.unique_key or b"", task.type))
    parameters = parameters_of([(tenant_id, task) for task in ordered])
    keys = {"unique_keys": [task.unique_key for task in ordered]}
    rows = await runner.execute(INSERT, {**parameters, **keys})
    return {row["id"]: row["created_at"] for row in rows.mappings()}


async def twins(runner: Runner, tenant_id: int, tasks: Sequence[NewTask]) -> dict[tuple[str, bytes], Task]:
    """The unfinished tasks with the types and keys of ``tasks``."""
    wanted = {"types": [task.type for task in tasks], "keys": [task.unique_key for task in tasks]}
    rows = await runner.execute(TWINS, {"tenant_id": tenant_id, **wanted})
    return {(row["type"], bytes(row["unique_key"])): task_of(row) for row in rows.mappings()}
