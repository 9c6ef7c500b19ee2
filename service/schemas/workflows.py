"""Bodies of the workflow routes: graphs of tasks as they are asked for, and as they stand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from service.schemas.base import Inbound, Name, NextCursor, View
from service.schemas.tasks import ErrorView, TaskRequest
from shared.domain.states import Status
from shared.domain.views import WORKFLOWS_PATH
from shared.domain.workflow import MOST_NODES, OnFailure

REPORT: dict[str, JsonValue] = {
    "name": "nightly",
    "tasks": {
        "sum": {"type": "simple_calculation", "input": {"a": 2, "b": 3, "operation": "add"}},
        "double": {
            "type": "simple_calculation",
            "input": {"a": {"$from": "sum", "path": "/result/result"}, "b": 2, "operation": "multiply"},
        },
        "report": {"type": "generate_report", "input": {}, "after": ["double"], "on_failure": "continue"},
    },
}
WORKFLOW_ID = "019aa6a0-9c4d-7f6e-a071-8c9d0e1f2031"
AT = "2026-03-01T12:00:00.000000Z"


class NodeRequest(TaskRequest):
    """A task of a workflow. A value of its `input` may be `{"$from": node, "path": JSON pointer}`."""

    model_config = ConfigDict(json_schema_extra={"examples": []})

    after: list[Name] | None = Field(default=None, description="Nodes that must have ended; `$from` implies it.")
    on_failure: Literal["cancel", "continue"] | None = Field(
        default=None, description="Where one of those did not complete: `cancel` this one (if null), or go on."
    )


class WorkflowRequest(Inbound):
    """Tasks by names of your own, as a graph without cycles: 10,000 at most."""

    model_config = ConfigDict(json_schema_extra={"examples": [REPORT]})

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(default=None, description="For people.")
    tasks: Annotated[dict[str, NodeRequest], Field(min_length=1, max_length=MOST_NODES)] = Field(
        description="By names that are unique in the workflow."
    )
    callback_url: Annotated[str, Field(min_length=1, max_length=2_048)] | None = Field(
        default=None, description="Where the end of the whole is told: https, or a host the operator allows."
    )


class WorkflowProgressView(View):
    """How many of its nodes have ended, and how."""

    percent: float = Field(description="0 to 100: `done` of `total`.")
    total: int = Field(description="All nodes.")
    done: int = Field(description="Those that ended.")
    completed: int = Field(description="Of these, COMPLETED.")
    failed: int = Field(description="Of these, FAILED.")
    cancelled: int = Field(description="Of these, CANCELLED.")


class WorkflowLinksView(View):
    """Paths of what belongs to it."""

    self: str = Field(description="The workflow itself.")
    cancel: str = Field(description="Cancel it, by `POST`.")
    retry: str = Field(description="Do again what did not complete, by `POST`.")
    deliveries: str = Field(description="Its webhooks.")
    tasks: str = Field(description="Its tasks.")


class WorkflowSummary(View):
    """A workflow without its nodes."""

    id: UUID = Field(description="Its id.")
    name: str | None = Field(description="As it was given.")
    status: Status = Field(description="Where the whole stands.")
    generation: int = Field(description="Counts the retries of the whole.")
    cancel_requested: bool = Field(description="Whether somebody wants it to end.")
    progress: WorkflowProgressView = Field(description="How far it is.")
    created_at: datetime = Field(description="When it was accepted.")
    updated_at: datetime = Field(description="When it last changed.")
    finished_at: datetime | None = Field(description="When all had ended; null until then.")
    links: WorkflowLinksView = Field(description="Where to go on.")


class NodeView(View):
    """A node: `WAITING` for others, or as its task is."""

    status: Status | Literal["WAITING"] = Field(description="`WAITING` for others, else as its task has it.")
    type: str = Field(description="Its task type.")
    after: list[str] = Field(description="The nodes it waits for.")
    on_failure: OnFailure = Field(description="What happens where one of those did not complete.")
    task: UUID | None = Field(description="Its task, once it may begin.")
    attempt: int = Field(description="Attempts begun; 0 before the first.")
    error: ErrorView | None = Field(description="Why it failed; null where it did not.")
    started_at: datetime | None = Field(description="When its last attempt began.")
    finished_at: datetime | None = Field(description="When it ended.")


class WorkflowView(WorkflowSummary):
    """A workflow, as it is now."""

    nodes: dict[str, NodeView] = Field(description="By name, in the order they were given.")


class WorkflowPage(View):
    """A page of workflows."""

    data: list[WorkflowSummary] = Field(description="Newest first.")
    next_cursor: NextCursor


def _node(status: str, **given: Any) -> dict[str, Any]:
    begun: dict[str, Any] = {"task": "019aa6a0-5f1e-7c3a-9d2b-4a6c8e0f1b2d", "attempt": 0, "started_at": None}
    rest: dict[str, Any] = {"error": None, "finished_at": None, "on_failure": "cancel", "after": []}
    return {"status": status, "type": "simple_calculation", **begun, **rest, **given}


WORKFLOW_SUMMARY: dict[str, Any] = {
    "id": WORKFLOW_ID,
    "name": "nightly",
    "status": "PROCESSING",
    "generation": 1,
    "cancel_requested": False,
    "progress": {"percent": 50.0, "total": 2, "done": 1, "completed": 1, "failed": 0, "cancelled": 0},
    "created_at": AT,
    "updated_at": AT,
    "finished_at": None,
    "links": {
        "self": f"{WORKFLOWS_PATH}/{WORKFLOW_ID}",
        "cancel": f"{WORKFLOWS_PATH}/{WORKFLOW_ID}/cancel",
        "retry": f"{WORKFLOWS_PATH}/{WORKFLOW_ID}/retry",
        "deliveries": f"{WORKFLOWS_PATH}/{WORKFLOW_ID}/deliveries",
        "tasks": f"/api/v1/tasks?tag=workflow:{WORKFLOW_ID}",
    },
}
WORKFLOW: dict[str, Any] = {
    **WORKFLOW_SUMMARY,
    "nodes": {
        "sum": _node("COMPLETED", attempt=1, started_at=AT, finished_at=AT),
        "double": _node("PENDING", after=["sum"]),
    },
}
