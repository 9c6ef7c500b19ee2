"""Workflows: stored with their nodes, and read. Functions of the database take them from step to step."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import dumps, error_of
from shared.domain.pointers import pointer
from shared.domain.task import NewTask
from shared.domain.workflow import NewNode, NewWorkflow, Node, OnFailure, Reference, Workflow

COLUMNS = """w.id, w.tenant_id, w.name, w.generation, w.cancel_requested, w.total, w.completed, w.failed, w.cancelled,
    w.created_at, w.updated_at, w.finished_at"""

# Asked of the tasks themselves, and only where no node has ended: a claim knows nothing of workflows.
HAS_BEGUN = """(w.completed + w.failed + w.cancelled > 0 OR EXISTS (
        SELECT FROM workflow_nodes n JOIN tasks t ON t.id = n.task_id AND t.tenant_id = n.tenant_id
        WHERE n.workflow_id = w.id AND n.tenant_id = w.tenant_id AND n.state = 'RELEASED' AND t.status <> 'PENDING'
    )) AS has_begun"""

INSERT = text("""
    INSERT INTO workflows (id, tenant_id, name, total, callback_url, request_id, traceparent)
    VALUES (:id, :tenant_id, :name, :total, :callback_url, :request_id, :traceparent)
""")

INSERT_NODES = text("""
    INSERT INTO workflow_nodes (workflow_id, tenant_id, name, place, pending, on_failure, after, successors, spec,
                                input, refs)
    SELECT :id, :tenant_id, x.name, x.place, cardinality(x.after), x.on_failure, x.after, x.successors, x.spec,
           x.input, x.refs
    FROM jsonb_to_recordset(CAST(:nodes AS jsonb)) AS x (
        name text, place integer, on_failure text, after text[], successors text[], spec jsonb, input jsonb, refs jsonb
    )
""")

# Whoever calls it holds the workflow's row.
RELEASE = text("SELECT workflow_release(:id, CAST(:ready AS text[]))")

ONE = text(f"SELECT {COLUMNS}, {HAS_BEGUN} FROM workflows w WHERE w.id = :id AND w.tenant_id = :tenant_id")

PAGE = text(f"""
    SELECT {COLUMNS}, {HAS_BEGUN} FROM workflows w
    WHERE w.tenant_id = :tenant_id AND (CAST(:before AS uuid) IS NULL OR w.id < CAST(:before AS uuid))
    ORDER BY w.id DESC LIMIT :limit
""")

NODES = text("""
    SELECT n.name, n.spec ->> 'type' AS type, n.on_failure, n.after, n.task_id, COALESCE(t.attempt, 0) AS attempt,
           CASE WHEN n.state <> 'RELEASED' THEN n.state
                WHEN t.status = 'PENDING' AND t.run_at > now() THEN 'SCHEDULED' ELSE t.status END AS status,
           t.error, t.started_at, t.finished_at
    FROM workflow_nodes n LEFT JOIN tasks t ON t.id = n.task_id AND t.tenant_id = n.tenant_id
    WHERE n.workflow_id = :id AND n.tenant_id = :tenant_id
    ORDER BY n.place
""")


async def insert(session: AsyncSession, tenant_id: int, new: NewWorkflow) -> None:
    """Store a workflow, and a task for each node that waits for none: in the transaction of ``session``."""
    of = {"id": new.id, "tenant_id": tenant_id}
    told = {"callback_url": new.callback_url, "request_id": new.request_id, "traceparent": new.traceparent}
    await session.execute(INSERT, {**of, **told, "name": new.name, "total": len(new.nodes)})
    await session.execute(INSERT_NODES, {**of, "nodes": dumps([_row(p, node) for p, node in enumerate(new.nodes)])})
    await release(session, new.id, [node.name for node in new.nodes if not node.linked.after])


async def release(session: AsyncSession, workflow_id: UUID, ready: list[str]) -> None:
    """Make the tasks of these nodes; the workflow's row is held, or nobody knows of it yet."""
    await session.execute(RELEASE, {"id": workflow_id, "ready": ready})


async def get(session: AsyncSession, tenant_id: int, workflow_id: UUID) -> Workflow | None:
    row = (await session.execute(ONE, {"id": workflow_id, "tenant_id": tenant_id})).mappings().first()
    return None if row is None else workflow_of(row)


async def page(session: AsyncSession, tenant_id: int, *, limit: int, before: UUID | None) -> list[Workflow]:
    """Newest first, ids below ``before``."""
    rows = await session.execute(PAGE, {"tenant_id": tenant_id, "before": before, "limit": limit})
    return [workflow_of(row) for row in rows.mappings()]


async def nodes(session: AsyncSession, tenant_id: int, workflow_id: UUID) -> list[Node]:
    """The nodes as they stand, in the order they were given."""
    rows = await session.execute(NODES, {"id": workflow_id, "tenant_id": tenant_id})
    return [_node(row) for row in rows.mappings()]


def workflow_of(row: RowMapping) -> Workflow:
    """A row of COLUMNS and HAS_BEGUN."""
    return Workflow(**row)


def workflow_of_json(given: dict[str, Any]) -> Workflow:
    """A row of ``workflows`` as ``to_jsonb`` writes it."""
    known = {field.name for field in fields(Workflow)}
    values = {name: value for name, value in given.items() if name in known}
    times = {n: datetime.fromisoformat(v) for n, v in values.items() if n.endswith("_at") and v is not None}
    return Workflow(**{**values, **times, "id": UUID(values["id"])})


def _node(row: RowMapping) -> Node:
    return Node(**{**row, "on_failure": OnFailure(row["on_failure"]), "error": error_of(row["error"])})


def _row(place: int, node: NewNode) -> dict[str, Any]:
    references = [_reference(reference) for reference in node.linked.references]
    return {
        "name": node.name,
        "place": place,
        "on_failure": node.on_failure,
        "after": node.linked.after,
        "successors": node.linked.successors,
        "spec": _spec(node.task),
        "input": node.task.input,
        "refs": references or None,
    }


def _spec(task: NewTask) -> dict[str, Any]:
    """Columns of the task's row, by name; ``delay`` counts from its release."""
    return {
        "type": task.type,
        "queue": task.queue,
        "priority": task.priority,
        "max_attempts": task.max_attempts,
        "timeout": task.timeout,
        "metadata": task.metadata or None,
        "tags": task.tags or None,
        "expires_at": task.expires_at,
        "run_at": task.run_at,
        "delay": task.delay,
        "callback_url": task.callback_url,
        "limits": task.limits,
    }


def _reference(reference: Reference) -> dict[str, Any]:
    """``place`` and ``pointer`` are for whoever reads why it failed."""
    return {
        "at": [str(step) for step in reference.at],
        "of": reference.node,
        "path": reference.path,
        "place": pointer(reference.at) or "/",
        "pointer": pointer(reference.path),
    }
