"""Bodies of the task routes: what may be asked, and what a task looks like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from service.schemas.base import Inbound, Instant, JsonObject, Name, Tag, View
from shared.domain.states import AttemptOutcome, Status

YEAR = 366 * 86_400.0
MAX_BATCH = 10_000
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
FULL: dict[str, JsonValue] = {
    "type": "simple_calculation",
    "input": {"a": 2, "b": 3, "operation": "add"},
    "tags": ["demo"],
}
SHORT: dict[str, JsonValue] = {"prompt": "Say hello.", "priority": 3}


class TaskRequest(Inbound):
    """A task to run. Either `type` and `input`, or the short form of a `text_generation`: `prompt` and `model`.

    `null` means: as the task type says.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [FULL, SHORT]})

    type: Name | None = Field(default=None, description="A name from `GET /api/v1/task-types`.")
    input: JsonObject | None = Field(default=None, description="As the task type's `input_schema` says.")
    prompt: str | None = Field(default=None, description="Short form: the prompt of a text_generation.")
    model: str | None = Field(default=None, description="Short form: the model to ask for.")
    queue: Name | None = None
    priority: Annotated[int, Field(ge=0, le=9)] | None = Field(default=None, description="0 (first) to 9; 5 if null.")
    delay: Annotated[float, Field(ge=0, le=10 * YEAR, allow_inf_nan=False)] | None = Field(
        default=None, description="Seconds to wait first. Excludes `run_at`."
    )
    run_at: Instant | None = None
    expires_at: Instant | None = Field(default=None, description="Not started by then: FAILED, `expired`.")
    timeout: Annotated[float, Field(ge=0.001, le=YEAR, allow_inf_nan=False)] | None = Field(
        default=None, description="Seconds one attempt may take."
    )
    max_attempts: Annotated[int, Field(ge=1, le=1_000)] | None = None
    tags: Annotated[list[Tag], Field(max_length=50)] | None = None
    metadata: JsonObject | None = None
    concurrency_key: Annotated[str, Field(min_length=1, max_length=255, pattern=PRINTABLE)] | None = Field(
        default=None, description="Tasks of the same key run one at a time, or as many as the operator allows."
    )
    callback_url: Annotated[str, Field(min_length=1, max_length=2_048)] | None = Field(
        default=None, description="Where the task's end is told: https, or a host the operator allows."
    )


class BatchRequest(Inbound):
    """Up to 10,000 tasks: all of them are accepted, or none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tasks": [FULL, SHORT]}]})

    tasks: Annotated[list[TaskRequest], Field(min_length=1, max_length=MAX_BATCH)]


class ErrorView(View):
    type: str
    message: str
    retryable: bool
    traceback: str | None = Field(default=None, description="For scope `admin` only.")


class ProgressView(View):
    percent: float
    message: str
    updated_at: datetime


class LinksView(View):
    self: str
    cancel: str
    retry: str
    events: str


class TaskView(View):
    """A task, as it is now."""

    id: UUID
    type: str
    prompt: str | None = Field(default=None, description="Of a text_generation: the prompt asked.")
    model: str | None = Field(default=None, description="Of a text_generation: the model asked for.")
    queue: str
    priority: int
    status: Status
    input: JsonObject
    result: Any
    error: ErrorView | None
    progress: ProgressView | None
    attempt: int
    max_attempts: int
    generation: int
    timeout: float
    cancel_requested: bool
    created_at: datetime
    updated_at: datetime
    run_at: datetime
    expires_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    duration: float | None
    worker: UUID | None
    tags: list[str]
    metadata: JsonObject
    links: LinksView


class TaskPage(View):
    data: list[TaskView]
    next_cursor: str | None


class AttemptView(View):
    attempt: int
    generation: int
    worker: UUID | None
    started_at: datetime
    finished_at: datetime | None
    duration: float | None
    outcome: AttemptOutcome
    error: ErrorView | None


class AttemptList(View):
    data: list[AttemptView]


class BatchItem(View):
    id: UUID
    status: Status
    existing: bool = Field(default=False, description="One with its unique key was there already: this is it.")


class BatchView(View):
    data: list[BatchItem]
