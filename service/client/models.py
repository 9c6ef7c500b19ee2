"""What the service's answers become: frozen, typed, and tolerant.

A newer service may add fields and states: unknown fields are kept as attributes, a status is a plain
string that compares equal to ``shared.domain.states.Status``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.states import FINAL, Status


class Answer(BaseModel):
    """Base of all: immutable, keeps what it does not know."""

    # Of some forty models a program reads a few: each is built when its first answer is read.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    def document(self) -> dict[str, Any]:
        """The answer as the service gave it, fit for JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


Item = TypeVar("Item", bound=Answer)


class Page(Answer, Generic[Item]):
    """One page of a list; ``next_cursor`` is None on the last."""

    data: list[Item]
    next_cursor: str | None = None


class Progress(Answer):
    """How far a run is. ``percent`` is 0 to 100."""

    percent: float
    message: str | None = None
    updated_at: datetime | None = None


class TaskError(Answer):
    """Why a task, or one attempt of it, failed. ``traceback`` is shown to admins only."""

    type: str
    message: str
    retryable: bool = False
    traceback: str | None = None


class Ended(Answer):
    """What every view of a task has: its id and where it stands."""

    id: str
    status: str

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_completed(self) -> bool:
        return self.status == Status.COMPLETED


class TaskRef(Ended):
    """A task of a batch, in the order it was given; ``existing``: one with its unique key was there already."""

    existing: bool = False


class Task(Ended):
    """A task. Durations are seconds; ``result`` is set once COMPLETED, ``error`` once an attempt failed."""

    type: str
    prompt: str | None = None
    model: str | None = None
    """Of a text_generation: the prompt, and the model asked for."""
    queue: str = ""
    priority: int = 5
    input: dict[str, Any] = Field(default_factory=dict)
    result: Any = None
    error: TaskError | None = None
    progress: Progress | None = None
    attempt: int = 0
    max_attempts: int = 0
    generation: int = 1
    timeout: float | None = None
    cancel_requested: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    run_at: datetime | None = None
    expires_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration: float | None = None
    worker: str | None = None
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    existing: bool = False
    """Of a submit: one with the same unique key waited or ran already, and this is it."""


class Attempt(Answer):
    """One run of a task; ``outcome`` is ``running`` until it ended."""

    attempt: int
    generation: int = 1
    worker: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration: float | None = None
    outcome: str
    error: TaskError | None = None


class FileInfo(Answer):
    """A stored file; its id is what tasks take as ``file_id``."""

    id: str
    name: str
    size: int
    sha256: str
    media_type: str | None = None
    created_at: datetime | None = None


class DeliveryAttempt(Answer):
    """One attempt to deliver; ``status`` is None where no answer came, and then ``error`` says why."""

    at: datetime
    status: int | None = None
    error: str | None = None
    duration: float | None = None


class Delivery(Answer):
    """A webhook on its way; ``state`` is ``waiting``, ``delivered``, ``failed`` or ``gone``."""

    id: str
    type: str
    url: str
    state: str
    task: str | None = None
    workflow: str | None = None
    generation: int = 1
    attempt: int = 0
    created_at: datetime | None = None
    due_at: datetime | None = None
    finished_at: datetime | None = None
    attempts: list[DeliveryAttempt] = Field(default_factory=list)


class RetiringSecret(Answer):
    """A secret that was rotated out, and signs until it expires."""

    secret: str
    expires_at: datetime


class WebhookSecret(Answer):
    """What receivers verify with, as the libraries of Standard Webhooks take it."""

    secret: str
    created_at: datetime | None = None
    previous: list[RetiringSecret] = Field(default_factory=list)


class Schedule(Answer):
    """A task made by the clock: ``cron`` in ``timezone``, or ``every`` so many seconds."""

    id: str
    name: str
    type: str
    input: dict[str, Any] = Field(default_factory=dict)
    cron: str | None = None
    every: float | None = None
    timezone: str = "UTC"
    queue: str | None = None
    enabled: bool = True
    catch_up: str = "one"
    built_in: bool = False
    next_run: datetime | None = None
    last_run: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class TaskType(Answer):
    """A task type the service accepts, with the JSON Schemas of its input and output."""

    name: str
    description: str = ""
    queue: str = ""
    timeout: float | None = None
    max_attempts: int | None = None
    concurrency: int | None = None
    rate: str | None = None
    retry: Any = None
    input_schema: dict[str, Any] = Field(default_factory=dict)
    output_schema: dict[str, Any] = Field(default_factory=dict)


class Pool(Answer):
    """Connections to the database: kept open, and opened beyond them under load."""

    size: int = 0
    overflow: int = 0


class Worker(Answer):
    """A worker process. ``missing`` maps a task type it cannot serve to the extra it lacks."""

    id: str
    state: str
    hostname: str = ""
    pid: int | None = None
    queues: list[str] = Field(default_factory=list)
    concurrency: int | None = None
    running: list[str] = Field(default_factory=list)
    types: list[str] | None = None
    missing: dict[str, Any] = Field(default_factory=dict)
    heartbeat_age: float | None = None
    started_at: datetime | None = None
    version: str | None = None
    pool: Pool | None = None


class Component(Answer):
    """One thing the service stands on: ``ok``, ``down``, ``not_migrated``."""

    status: str


class WorkersSeen(Answer):
    """How many workers live; ``expected`` is None where the operator named no number."""

    seen: int = 0
    expected: int | None = None


class Operation(Answer):
    """One verb over many tasks. ``total`` is None while nobody knows; ``skipped`` counts by reason.

    A dry run has no ``id``, and its ``matched`` is at least so many where ``is_lower_bound``.
    """

    id: str | None = None
    action: str
    state: str
    dry_run: bool = False
    filter: dict[str, Any] | None = None
    total: int | None = None
    matched: int = 0
    done: int = 0
    skipped: dict[str, int] = Field(default_factory=dict)
    is_lower_bound: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        return self.state != "running"


class QueueAge(Answer):
    """What is due and waits in a queue, ``waiting`` at least where ``is_lower_bound``; ``oldest_age`` is seconds."""

    waiting: int = 0
    oldest_age: float = 0.0
    is_lower_bound: bool = False


class Health(Answer):
    """``/health``; ``/health/ready`` fills only the first two fields."""

    status: str
    components: dict[str, Component] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    workers: WorkersSeen = WorkersSeen()
    queues: dict[str, QueueAge] = Field(default_factory=dict)
