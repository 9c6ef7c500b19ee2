"""Bodies of the bulk routes: which tasks are meant, and what became of them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from service.schemas.base import FilterText, Inbound, Instant, JsonObject, View
from shared.domain.operations import MOST_IDS
from shared.domain.states import Status
from shared.domain.task import TaskFilter

BY_FILTER: dict[str, JsonValue] = {"filter": {"status": ["FAILED"], "tag": ["invoice"]}, "dry_run": True}
BY_IDS: dict[str, JsonValue] = {"ids": ["019aa6a0-5f1e-7c3a-9d2b-4a6c8e0f1b2d"]}

StatusName = Literal["SCHEDULED", "PENDING", "PROCESSING", "RETRYING", "COMPLETED", "FAILED", "CANCELLED"]


def _listed(value: Any) -> Any:
    """One text stands for a list of it."""
    return [value] if isinstance(value, str) else value


def _id(value: Any) -> UUID:
    if isinstance(value, str):
        with suppress(ValueError):
            return UUID(value)
    raise ValueError("This is no task's id")


TaskId = Annotated[UUID, BeforeValidator(_id), WithJsonSchema({"type": "string", "format": "uuid"}, mode="validation")]
Statuses = Annotated[list[StatusName], BeforeValidator(_listed), Field(min_length=1, max_length=7)]
Texts = Annotated[list[FilterText], BeforeValidator(_listed), Field(min_length=1, max_length=50)]


class BulkFilter(Inbound):
    """As the filters of `GET /api/v1/tasks`: of several values of one field any fits, and all fields must."""

    status: Statuses | None = None
    type: Texts | None = None
    queue: Texts | None = None
    tag: Texts | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None

    def wanted(self) -> TaskFilter:
        return TaskFilter(
            statuses=tuple(dict.fromkeys(map(Status, self.status or ()))),
            types=tuple(self.type or ()),
            queues=tuple(self.queue or ()),
            tags=tuple(self.tag or ()),
            created_after=self.created_after,
            created_before=self.created_before,
        )


class BulkRequest(Inbound):
    """The tasks meant: either `ids` or `filter`."""

    model_config = ConfigDict(json_schema_extra={"examples": [BY_FILTER, BY_IDS]})

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=MOST_IDS)] | None = None
    filter: BulkFilter | None = None
    all: bool | None = Field(default=None, description="true, with an empty `filter`: every task is meant.")
    dry_run: bool | None = Field(default=None, description="true: only count.")


class OperationLinks(View):
    self: str
    cancel: str


class OperationView(View):
    """One verb over many tasks, and how far it has come."""

    id: UUID | None = Field(description="null in a dry run, of which nothing is kept.")
    action: Literal["cancel", "retry", "delete"]
    state: Literal["running", "done", "cancelled"]
    dry_run: bool
    filter: JsonObject | None = Field(description="null where ids were given.")
    total: int | None = Field(description="How many tasks there were, as counted at first; null: too many to count.")
    matched: int = Field(description="Tasks looked at that are meant.")
    done: int = Field(description="Of these, moved; 0 in a dry run.")
    skipped: dict[str, int] = Field(
        description="How many were not moved, by the state that forbids it; `not_found`: ids of no task."
    )
    is_lower_bound: bool = Field(description="A dry run that stopped counting: there are at least so many.")
    created_at: datetime | None
    updated_at: datetime | None
    finished_at: datetime | None
    links: OperationLinks | None


class OperationPage(View):
    data: list[OperationView]
    next_cursor: str | None
