"""What the service can be asked, each once. ``Client`` and ``AsyncClient`` only drive these flows."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from service.client.calls import Call, Emit, Feed, Flow, Pause, Reply, Upload, exchange, new_key
from service.client.errors import TaskFailed, WaitTimedOut
from service.client.models import Answer, Attempt, FileInfo, Health, Page, Task, TaskRef, TaskType, Worker
from service.client.paging import listed
from service.client.patience import LATEST_LOOK, LONGEST_OUTAGE, patiently

TASKS = "/api/v1/tasks"
FILES = "/api/v1/files"
LONGEST_POLL = 25
"""Seconds of one long poll of a wait: many a proxy cuts what is silent for 30, or 60."""
SOONEST_LOOK = 0.2
"""Seconds between two looks of ``watch``: slower while nothing changes."""
LARGE_PATIENCE = 25.0
"""Seconds beyond the client's time-out: the service takes its time for ten thousand tasks, and for rare ones."""

A = TypeVar("A", bound=Answer)


class TaskOptions(TypedDict, total=False):
    """What may stand beside a task's type and input. None and absent mean: as the task type says."""

    queue: str | None
    priority: int | None
    delay: float | None
    run_at: datetime | str | None
    expires_at: datetime | str | None
    timeout: float | None
    max_attempts: int | None
    tags: list[str] | None
    metadata: dict[str, Any] | None
    concurrency_key: str | None
    callback_url: str | None


class TaskFilters(TypedDict, total=False):
    """What a list is narrowed to. Several values of one filter mean: any of them."""

    status: str | Sequence[str] | None
    type: str | Sequence[str] | None
    queue: str | Sequence[str] | None
    tag: str | Sequence[str] | None
    created_after: datetime | str | None
    created_before: datetime | str | None


def submit(
    type: str,
    input: Mapping[str, Any],
    *,
    wait: int | None = None,
    idempotency_key: str | None = None,
    **options: Unpack[TaskOptions],
) -> Flow[Task]:
    """Submit a task. With ``wait`` (seconds, at most 60) the answer is the finished task if it ends in time.

    Where the type has unique keys and one with this key waits or runs, that is the answer: ``existing``.
    A key of its own makes the call safe to repeat; give ``idempotency_key`` to make *your* repeat safe, too.
    """
    headers = {"Idempotency-Key": idempotency_key or new_key()}
    if wait is not None:
        headers["Prefer"] = f"wait={wait}"
    body = {"type": type, "input": dict(input), **_given(options)}
    return exchange(Call("POST", TASKS, _submitted, json=body, headers=headers, patience=wait or 0))


def generate(
    prompt: str,
    model: str | None = None,
    *,
    wait: int | None = None,
    idempotency_key: str | None = None,
    **options: Unpack[TaskOptions],
) -> Flow[Task]:
    """Submit a ``text_generation`` task."""
    input = {"prompt": prompt, **({"model": model} if model else {})}
    return submit("text_generation", input, wait=wait, idempotency_key=idempotency_key, **options)


def submit_batch(tasks: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None) -> Flow[list[TaskRef]]:
    """Submit many tasks, all or none; each is ``{"type", "input", …options}``. Ids come in the order given."""
    body = {"tasks": [_given(task) for task in tasks]}
    headers = {"Idempotency-Key": idempotency_key or new_key()}
    call = Call("POST", f"{TASKS}/batch", _data_of(TaskRef), json=body, headers=headers, patience=LARGE_PATIENCE)
    return exchange(call)


def get(task_id: str, *, wait: int | None = None) -> Flow[Task]:
    """The task as it stands; with ``wait`` (seconds, at most 60) as soon as it is final."""
    params = {} if wait is None else {"wait": wait}
    return exchange(Call("GET", _task(task_id), _as(Task), params=params, patience=wait or 0))


def wait(task_id: str, timeout: float | None = None, *, check: bool = False) -> Flow[Task]:
    """Wait, by long polls, until the task is final. A service that restarts meanwhile is waited for, too.

    Raises:
        WaitTimedOut: it was not, ``timeout`` seconds on. TaskFailed: with ``check``, it did not complete.
    """
    ends_at = math.inf if timeout is None else monotonic() + timeout
    outage = 0.0
    while True:
        began = monotonic()
        poll = int(max(0, min(LONGEST_POLL, ends_at - began)))
        task = yield from _look(task_id, poll, min(outage, ends_at - began))
        outage = LONGEST_OUTAGE
        if task.is_final:
            if check and not task.is_completed:
                raise TaskFailed(task)
            return task
        now = monotonic()
        if timeout is not None and now >= ends_at:
            raise WaitTimedOut(task, timeout)
        if now - began < poll / 2 or not poll:
            # Less than a second is left, or the service would not hold the poll: don't spin.
            yield Pause(min(SOONEST_LOOK, ends_at - now))


def watch(task_id: str, timeout: float | None = None) -> Feed[Task]:
    """The task now, then each time its status or progress changed; ends with the final one.

    States between two looks are skipped; a service that restarts meanwhile is waited for.
    Raises: WaitTimedOut.
    """
    ends_at = math.inf if timeout is None else monotonic() + timeout
    seen, pause, outage = None, SOONEST_LOOK, 0.0
    while True:
        task = yield from _look(task_id, 0, min(outage, ends_at - monotonic()))
        outage = LONGEST_OUTAGE
        state = (task.status, task.progress, task.attempt, task.cancel_requested)
        pause = SOONEST_LOOK if state != seen else min(LATEST_LOOK, pause * 1.25)
        if state != seen:
            yield Emit(task)
        if task.is_final:
            return
        if timeout is not None and monotonic() >= ends_at:
            raise WaitTimedOut(task, timeout)
        seen = state
        yield Pause(min(pause, max(0.0, ends_at - monotonic())))


def _look(task_id: str, poll: int, outage: float) -> Flow[Task]:
    return patiently(lambda: get(task_id, wait=poll or None), outage)


def list_tasks(*, page_size: int = 50, **filters: Unpack[TaskFilters]) -> Feed[Task]:
    """Tasks, newest first, page by page for as long as the caller reads on."""
    return listed(TASKS, Task, filters=_given(filters), page_size=page_size, patience=LARGE_PATIENCE)


def attempts(task_id: str) -> Flow[list[Attempt]]:
    """Every run of the task, oldest first."""
    return exchange(Call("GET", _task(task_id, "attempts"), _data_of(Attempt)))


def cancel(task_id: str) -> Flow[Task]:
    """Cancel a waiting task at once; ask a running one to stop (``cancel_requested``). Raises: ConflictError."""
    return exchange(Call("POST", _task(task_id, "cancel"), _as(Task)))


def retry(task_id: str) -> Flow[Task]:
    """Send a FAILED or CANCELLED task back to PENDING, as a new generation. Raises: ConflictError."""
    return exchange(Call("POST", _task(task_id, "retry"), _as(Task)))


def upload(
    source: Path | str | bytes, *, name: str | None = None, idempotency_key: str | None = None
) -> Flow[FileInfo]:
    """Store a file, streamed from the path ``source``, or the bytes given.

    Raises:
        OSError: the path cannot be read.
    """
    headers = {"Idempotency-Key": idempotency_key or new_key()}
    own_name, opened = _open(source)
    with opened as body:
        part = Upload(name or own_name, body)
        return (yield from exchange(Call("POST", FILES, _as(FileInfo), upload=part, headers=headers)))


def file_info(file_id: str) -> Flow[FileInfo]:
    """What is known of a stored file."""
    return exchange(Call("GET", _file(file_id), _as(FileInfo)))


def download(file_id: str, to: Path | str) -> Flow[Path]:
    """Stream a stored file into ``to``, which appears whole or not at all."""
    target = Path(to)
    part = target.with_name(f"{target.name}.part")
    try:
        yield from exchange(Call("GET", _file(file_id, "content"), _nothing, save_to=part))
        return part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def delete_file(file_id: str) -> Flow[None]:
    """Remove a stored file."""
    return exchange(Call("DELETE", _file(file_id), _nothing))


def task_types() -> Flow[list[TaskType]]:
    """The task types the service accepts."""
    return exchange(Call("GET", "/api/v1/task-types", _data_of(TaskType)))


def workers() -> Flow[list[Worker]]:
    """The worker processes the service knows."""
    return exchange(Call("GET", "/api/v1/workers", _data_of(Worker)))


def ready() -> Flow[Health]:
    """Whether the service can serve, and which component says no. Needs no key."""
    return exchange(Call("GET", "/health/ready", _as(Health), answers_by=frozenset({200, 503})))


def health() -> Flow[Health]:
    """How the service and what it stands on are, in detail."""
    return exchange(Call("GET", "/health", _as(Health)))


def _open(source: Path | str | bytes) -> tuple[str, BinaryIO]:
    """A name for the file, and its bytes to read."""
    if isinstance(source, bytes):
        return "file", io.BytesIO(source)
    return Path(source).name, Path(source).open("rb")


def _submitted(reply: Reply) -> Task:
    task = Task.model_validate_json(reply.body)
    return task.model_copy(update={"existing": True}) if "existing-task" in reply.headers else task


def _as(model: type[A]) -> Callable[[Reply], A]:
    return lambda reply: model.model_validate_json(reply.body)


def _data_of(model: type[A]) -> Callable[[Reply], list[A]]:
    return lambda reply: Page[model].model_validate_json(reply.body).data  # type: ignore[valid-type]


def _nothing(reply: Reply) -> None:
    """The status says it all."""


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without the Nones, and with times as the API writes them."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in fields.items()
        if value is not None
    }


def _task(task_id: str, *below: str) -> str:
    return "/".join((TASKS, quote(task_id, safe=""), *below))


def _file(file_id: str, *below: str) -> str:
    return "/".join((FILES, quote(file_id, safe=""), *below))
