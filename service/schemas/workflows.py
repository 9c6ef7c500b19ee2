"""Bodies of the workflow routes: graphs of tasks as they are asked for, and as they stand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from service.schemas.base import Inbound, Name, View
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

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    tasks: Annotated[dict[str, NodeRequest], Field(min_length=1, max_length=MOST_NODES)]
    callback_url: Annotated[str, Field(min_length=1, max_length=2_048)] | None = Field(
        default=None, description="Where the end of the whole is told: https, or a host the operator allows."
    )


class WorkflowProgressView(View):
    percent: float
    total: int
    done: int
    completed: int
    failed: int
    cancelled: int


class WorkflowLinksView(View):
    self: str
    cancel: str
    retry: str
    deliveries: str
    tasks: str


class WorkflowSummary(View):
    """A workflow without its nodes."""

    id: UUID
    name: str | None
    status: Status
    generation: int = Field(description="Counts the retries of the whole.")
    cancel_requested: bool
    progress: WorkflowProgressView
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    links: WorkflowLinksView


class NodeView(View):
    """A node: `WAITING` for others, or as its task is."""

    status: Status | Literal["WAITING"]
    type: str
    after: list[str]
    on_failure: OnFailure
    task: UUID | None = Field(description="Its task, once it may begin.")
    attempt: int
    error: ErrorView | None
    started_at: datetime | None
    finished_at: datetime | None


class WorkflowView(WorkflowSummary):
    """A workflow, as it is now."""

    nodes: dict[str, NodeView]


class WorkflowPage(View):
    data: list[WorkflowSummary]
    next_cursor: str | None


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
