"""What answers about workflows become, as in ``models``."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from service.client.models import Answer, Ended, TaskError


class WorkflowProgress(Answer):
    """How many nodes have ended, and how."""

    percent: float = 0.0
    total: int = 0
    done: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0


class Node(Answer):
    """A node of a workflow, WAITING or as its task is; ``task`` is that one's id, once it may begin."""

    status: str
    type: str = ""
    after: list[str] = Field(default_factory=list)
    on_failure: str = "cancel"
    task: str | None = None
    attempt: int = 0
    error: TaskError | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Workflow(Ended):
    """A workflow; ``nodes`` by name, empty in lists."""

    name: str | None = None
    generation: int = 1
    cancel_requested: bool = False
    progress: WorkflowProgress = WorkflowProgress()
    nodes: dict[str, Node] = Field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    finished_at: datetime | None = None
