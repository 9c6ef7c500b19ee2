"""Round trips ``doctor`` makes through the running service: submitted, run by a worker, checked, removed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import service.client as sdk
from service.cli.exits import message_of
from service.cli.findings import Finding, failure, ok, warning
from service.client import ClientError, TaskFailed, WaitTimedOut

if TYPE_CHECKING:
    from service.client.models import Task

NO_WORKER_SECONDS = 5.0
"""A task that the service says nobody can start is not waited for any longer."""
SAMPLE_BYTES = 256 * 1024
WAITED_TOO_LONG = "see in taskrunner queues whether it is paused or full, and what the workers say in their logs"


@dataclass(frozen=True, slots=True)
class Trial:
    """``run`` answers what it saw, or raises. An optional one, not set up, only warns."""

    name: str
    type: str
    run: Callable[[sdk.Client, float], str]
    is_optional: bool = False


class Mismatch(ClientError):
    """The service answered, and wrongly."""

    def __init__(self, seen: str, fix: str) -> None:
        super().__init__(seen)
        self.fix = fix


def attempt(trial: Trial, client: sdk.Client, timeout: float) -> Finding:
    """Make the trial; what came of it."""
    began = perf_counter()
    try:
        seen = trial.run(client, timeout)
    except TaskFailed as error:
        said = error.task.error.message if error.task.error else error.task.status
        if trial.is_optional and _is_not_set_up(error.task):
            return warning(trial.name, "not set up", said)
        return failure(trial.name, said, f"see its runs, and the worker's log: taskrunner attempts {error.task.id}")
    except WaitTimedOut as error:
        waits_for = error.task.progress.message if error.task.progress and error.task.progress.message else str(error)
        return (warning if trial.is_optional else failure)(trial.name, waits_for, WAITED_TOO_LONG)
    except Mismatch as error:
        return failure(trial.name, str(error), error.fix)
    except ClientError as error:
        return failure(trial.name, message_of(error), "see what the API and the workers say in their logs")
    return ok(trial.name, f"{seen} in {1000 * (perf_counter() - began):.0f} ms")


def _calculation(client: sdk.Client, timeout: float) -> str:
    task = _run(client, "simple_calculation", {"a": 6, "b": 7, "operation": "multiply"}, timeout)
    if not isinstance(task.result, dict) or task.result.get("result") != 42:
        fix = f"see which worker answered, and what it runs: taskrunner get {task.id}"
        raise Mismatch(f"6 × 7 came back as {task.result}", fix)
    return "submitted, run and read back"


def _stream(client: sdk.Client, timeout: float) -> str:
    task = _run(client, "simple_calculation", {"a": 6, "b": 7, "operation": "multiply"}, timeout)
    told = [event.event for event in client.events(task.id, timeout=timeout)]
    if "end" not in told:
        fix = "let no proxy between here and the API buffer or cut its answers"
        raise Mismatch(f"the stream told {', '.join(told) or 'nothing'}, and no end", fix)
    return f"{len(told)} events of a task, to its end"


def _file(client: sdk.Client, timeout: float) -> str:
    data = os.urandom(SAMPLE_BYTES)
    info = client.upload(data, name="doctor.bin")
    try:
        task = _run(client, "process_file_upload", {"file_id": info.id}, timeout)
    finally:
        client.delete_file(info.id)
    seen = task.result.get("sha256") if isinstance(task.result, dict) else None
    if seen != hashlib.sha256(data).hexdigest():
        fix = "let API and workers share one TASKRUNNER_STORAGE_DIR"
        raise Mismatch("the worker read other bytes than were uploaded", fix)
    return f"{SAMPLE_BYTES // 1024} KiB uploaded, read by a worker, deleted"


def _mail(client: sdk.Client, timeout: float) -> str:
    given = {"to": "doctor@localhost", "subject": "taskrunner doctor", "body": "The mail round trip works."}
    _run(client, "send_notification_email", given, timeout)
    return "a mail to doctor@localhost was taken"


def _model(client: sdk.Client, timeout: float) -> str:
    task = _run(client, "text_generation", {"prompt": "Say hello.", "max_tokens": 8}, timeout)
    model = task.result.get("model") if isinstance(task.result, dict) else None
    return f"{model or 'the model'} answered"


TRIALS = (
    Trial("round trip", "simple_calculation", _calculation),
    Trial("stream", "simple_calculation", _stream),
    Trial("file", "process_file_upload", _file),
    Trial("mail", "send_notification_email", _mail, is_optional=True),
    Trial("model", "text_generation", _model, is_optional=True),
)


def _run(client: sdk.Client, type: str, given: dict[str, Any], timeout: float) -> Task:
    """Run one task to its end; one that does not end in time is cancelled, so nothing stays behind."""
    task = client.submit(type, given, max_attempts=1, tags=["doctor"])
    try:
        try:
            return client.wait(task.id, min(NO_WORKER_SECONDS, timeout), check=True)
        except WaitTimedOut as slow:
            if slow.task.status == "PENDING":
                raise
        return client.wait(task.id, timeout, check=True)
    except WaitTimedOut:
        with suppress(ClientError):
            client.cancel(task.id)
        raise


def _is_not_set_up(task: Task) -> bool:
    """Whether the task failed for want of an extra or a setting, and its message names that."""
    return task.error is not None and (task.error.type == "MissingExtra" or "TASKRUNNER_" in task.error.message)
