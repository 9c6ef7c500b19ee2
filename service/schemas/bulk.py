"""Bodies of the bulk routes: which tasks are meant, and what became of them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from service.schemas.base import FilterText, Inbound, Instant, JsonObject, NextCursor, View
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

    status: Statuses | None = Field(default=None, description="Those in one of these states.")
    type: Texts | None = Field(default=None, description="Those of one of these types.")
    queue: Texts | None = Field(default=None, description="Those in one of these queues.")
    tag: Texts | None = Field(default=None, description="Those with one of these tags.")
    created_after: Instant | None = Field(default=None, description="Created after this time.")
    created_before: Instant | None = Field(default=None, description="Created before this time.")

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

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=MOST_IDS)] | None = Field(
        default=None, description="These tasks."
    )
    filter: BulkFilter | None = Field(default=None, description="Those that match.")
    all: bool | None = Field(default=None, description="true, with an empty `filter`: every task is meant.")
    dry_run: bool | None = Field(default=None, description="true: only count.")


class OperationLinks(View):
    """Paths of what can be done with it."""

    self: str = Field(description="The operation itself.")
    cancel: str = Field(description="End it, by `POST`.")


class OperationView(View):
    """One verb over many tasks, and how far it has come."""

    id: UUID | None = Field(description="null in a dry run, of which nothing is kept.")
    action: Literal["cancel", "retry", "delete"] = Field(description="The verb.")
    state: Literal["running", "done", "cancelled"] = Field(
        description="`running` until all were looked at, or somebody cancelled it."
    )
    dry_run: bool = Field(description="Whether it only counted.")
    filter: JsonObject | None = Field(description="null where ids were given.")
    total: int | None = Field(description="How many tasks there were, as counted at first; null: too many to count.")
    matched: int = Field(description="Tasks looked at that are meant.")
    done: int = Field(description="Of these, moved; 0 in a dry run.")
    skipped: dict[str, int] = Field(
        description="How many were not moved, by the state that forbids it; `not_found`: ids of no task."
    )
    is_lower_bound: bool = Field(description="A dry run that stopped counting: there are at least so many.")
    created_at: datetime | None = Field(description="When it was asked for; null in a dry run.")
    updated_at: datetime | None = Field(description="When it last came further; null in a dry run.")
    finished_at: datetime | None = Field(description="When it was over; null until then.")
    links: OperationLinks | None = Field(description="Where to go on; null in a dry run.")


class OperationPage(View):
    """A page of operations."""

    data: list[OperationView] = Field(description="Newest first.")
    next_cursor: NextCursor
