"""Operations: one verb over many tasks. What is chosen, what the verb can move, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.domain.states import FINAL, WAITING, Status
from shared.domain.task import TaskFilter

MOST_IDS = 10_000
NOT_FOUND = "not_found"
"""The reason why an id was skipped that names none of the tenant's tasks."""
EXISTING = "existing"
"""Why a task was not retried: another one with its unique key waits or runs."""
OF_WORKFLOW = "workflow"
"""Why a final task was not deleted: it is a workflow's, and leaves with it. All other reasons are states."""


class BulkAction(StrEnum):
    """What is done to each task."""

    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"


class OperationState(StrEnum):
    """``RUNNING`` until every task was looked at, or somebody wants no more of it."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


MOVABLE: Mapping[BulkAction, frozenset[Status]] = {
    BulkAction.CANCEL: WAITING | {Status.PROCESSING},
    BulkAction.RETRY: frozenset({Status.FAILED, Status.CANCELLED}),
    BulkAction.DELETE: FINAL,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The tasks meant: these ``ids``, or those that match ``wanted``."""

    ids: tuple[UUID, ...] | None = None
    wanted: TaskFilter = field(default_factory=TaskFilter)


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of ``operations``. ``filter`` is None where ids were given; ``skipped`` counts by reason.

    ``total`` is how many tasks there are to look at, as counted when it began; None: nobody knows.
    """

    id: UUID
    tenant_id: int
    action: BulkAction
    state: OperationState
    filter: TaskFilter | None
    until: UUID
    cursor: UUID
    total: int | None
    matched: int
    done: int
    skipped: Mapping[str, int]
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What a verb would find. ``is_lower_bound``: the counting stopped before the end."""

    matched: int
    skipped: Mapping[str, int]
    is_lower_bound: bool


def spelled(wanted: TaskFilter) -> dict[str, Any]:
    """``wanted`` as it is given, stored and shown: only what narrows."""
    fields: dict[str, Any] = {
        "status": [status.value for status in wanted.statuses],
        "type": list(wanted.types),
        "queue": list(wanted.queues),
        "tag": list(wanted.tags),
        "created_after": wanted.created_after,
        "created_before": wanted.created_before,
    }
    return {name: value for name, value in fields.items() if value}
