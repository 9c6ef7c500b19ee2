"""Bodies of the task routes: what may be asked, and what a task looks like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from service.schemas.base import Inbound, Instant, JsonObject, Name, NextCursor, Tag, View
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
    queue: Name | None = Field(default=None, description="Instead of the type's own; one that this service knows.")
    priority: Annotated[int, Field(ge=0, le=9)] | None = Field(default=None, description="0 (first) to 9; 5 if null.")
    delay: Annotated[float, Field(ge=0, le=10 * YEAR, allow_inf_nan=False)] | None = Field(
        default=None, description="Seconds to wait first. Excludes `run_at`."
    )
    run_at: Instant | None = Field(default=None, description="Not before this time. Excludes `delay`.")
    expires_at: Instant | None = Field(default=None, description="Not started by then: FAILED, `expired`.")
    timeout: Annotated[float, Field(ge=0.001, le=YEAR, allow_inf_nan=False)] | None = Field(
        default=None, description="Seconds one attempt may take."
    )
    max_attempts: Annotated[int, Field(ge=1, le=1_000)] | None = Field(
        default=None, description="How often it is tried at most."
    )
    tags: Annotated[list[Tag], Field(max_length=50)] | None = Field(
        default=None, description="To find it by, and others like it."
    )
    metadata: JsonObject | None = Field(
        default=None, description="Anything of yours: kept and shown, and never looked at."
    )
    concurrency_key: Annotated[str, Field(min_length=1, max_length=255, pattern=PRINTABLE)] | None = Field(
        default=None, description="Tasks of the same key run one at a time, or as many as the operator allows."
    )
    callback_url: Annotated[str, Field(min_length=1, max_length=2_048)] | None = Field(
        default=None, description="Where the task's end is told: https, or a host the operator allows."
    )


class BatchRequest(Inbound):
    """Up to 10,000 tasks: all of them are accepted, or none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tasks": [FULL, SHORT]}]})

    tasks: Annotated[list[TaskRequest], Field(min_length=1, max_length=MAX_BATCH)] = Field(
        description="In the order in which the answer names them."
    )


class ErrorView(View):
    """Why a task, or an attempt of it, failed."""

    type: str = Field(description="The name of the error's class, or one such as `expired` and `poison`.")
    message: str = Field(description="What went wrong, for people.")
    retryable: bool = Field(description="Whether another attempt could help.")
    traceback: str | None = Field(default=None, description="For scope `admin` only.")


class ProgressView(View):
    """How far a run is, as its handler said last."""

    percent: float = Field(description="0 to 100.")
    message: str = Field(description="What it is doing; may be empty.")
    updated_at: datetime = Field(description="When it said so.")


class LinksView(View):
    """Paths of what can be done with it."""

    self: str = Field(description="The task itself.")
    cancel: str = Field(description="Cancel it, by `POST`.")
    retry: str = Field(description="Retry it, by `POST`.")
    events: str = Field(description="Follow it, as Server-Sent Events.")


class TaskView(View):
    """A task, as it is now."""

    id: UUID = Field(description="Its id.")
    type: str = Field(description="Its task type.")
    prompt: str | None = Field(default=None, description="Of a text_generation: the prompt asked.")
    model: str | None = Field(default=None, description="Of a text_generation: the model asked for.")
    queue: str = Field(description="The queue it waits or waited in.")
    priority: int = Field(description="0 (first) to 9 (last).")
    status: Status = Field(description="Where it stands; the last three are final.")
    input: JsonObject = Field(description="What it was given.")
    result: Any = Field(description="What it gave, as its type says; null until it is COMPLETED.")
    error: ErrorView | None = Field(description="Why it FAILED, or why its last attempt did; null without a failure.")
    progress: ProgressView | None = Field(description="How far it is; null where nothing was said.")
    attempt: int = Field(description="Attempts begun in this generation; 0 before the first.")
    max_attempts: int = Field(description="How many there are at most.")
    generation: int = Field(description="Counts its lives: a retry by a person begins the next.")
    timeout: float = Field(description="Seconds that one attempt may take.")
    cancel_requested: bool = Field(description="Whether somebody wants it to end while it runs.")
    created_at: datetime = Field(description="When it was accepted.")
    updated_at: datetime = Field(description="When its state last changed.")
    run_at: datetime = Field(description="When it was, or will be, due.")
    expires_at: datetime | None = Field(description="Not started by then, it FAILS; null: it waits for ever.")
    started_at: datetime | None = Field(description="When its last attempt began; null before the first.")
    finished_at: datetime | None = Field(description="When it ended; null until then.")
    duration: float | None = Field(description="Seconds that its last attempt took; null until it ended.")
    worker: UUID | None = Field(description="The id of the worker that runs or ran it; null before the first.")
    tags: list[str] = Field(description="As they were given.")
    metadata: JsonObject = Field(description="As it was given.")
    links: LinksView = Field(description="Where to go on.")


class TaskPage(View):
    """A page of tasks."""

    data: list[TaskView] = Field(description="Newest first.")
    next_cursor: NextCursor


class AttemptView(View):
    """One run of a task."""

    attempt: int = Field(description="Its number in the generation, from 1.")
    generation: int = Field(description="Which life of the task it belongs to.")
    worker: UUID | None = Field(description="The id of the worker.")
    started_at: datetime = Field(description="When it began.")
    finished_at: datetime | None = Field(description="When it ended; null while it runs.")
    duration: float | None = Field(description="Seconds; null while it runs.")
    outcome: AttemptOutcome = Field(description="How it ended; `released` and `lost` cost no attempt.")
    error: ErrorView | None = Field(description="Why it failed; null where it did not.")


class AttemptList(View):
    """The runs of a task."""

    data: list[AttemptView] = Field(description="Oldest first.")


class BatchItem(View):
    """A task of a batch."""

    id: UUID = Field(description="Its id.")
    status: Status = Field(description="How it stands: `PENDING` or `SCHEDULED`, unless it is an existing one.")
    existing: bool = Field(default=False, description="One with its unique key was there already: this is it.")


class BatchView(View):
    """The tasks of a batch."""

    data: list[BatchItem] = Field(description="In the order of the request.")
