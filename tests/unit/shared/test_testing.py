"""The kit for tests of task types: an attempt ends as a worker would have ended it, and the run tells what was said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.domain.definition import TaskDefinition
from shared.domain.errors import InputRefused
from shared.tasks import BlockingRun, Exponential, Fatal, FileMissing, ProviderUnavailable, Retry, Run, TaskModel, task
from shared.testing import FakeRun, attempt


class CopyInput(TaskModel):
    file_id: UUID
    times: int = 1


class CopyOutput(TaskModel):
    sizes: list[float]


@task(type="copy", max_attempts=3, retry=Exponential(base=10))
async def copy(run: Run, given: CopyInput) -> CopyOutput:
    """Copy a file, and tell somebody."""
    source = await run.files.get(given.file_id)
    copies = [await run.files.save("copy", source.path) for _ in range(given.times)]
    run.emit(f"{len(copies)} copies")
    run.progress(50, "sending")
    await run.mail.send(to=["ada@example.com"], subject="Copied", body="…", message_id=f"<{run.idempotency_key}>")
    run.log.info("copied")
    return CopyOutput(sizes=[copy.size for copy in copies])


@task(type="measure")
def measure(run: BlockingRun, given: CopyInput) -> CopyOutput:
    """Measure a file."""
    run.progress(100)
    return CopyOutput(sizes=[run.files.get(given.file_id).size])


def failing(raise_it: Callable[[], Any], *, is_async: bool = True) -> TaskDefinition:
    """A type whose handler does just this, with three attempts."""
    if is_async:

        @task(type="failing", max_attempts=3)
        async def awaited(run: Run, given: TaskModel) -> CopyOutput:
            return raise_it()  # type: ignore[no-any-return]

        return awaited

    @task(type="failing", max_attempts=3)
    def blocking(run: BlockingRun, given: TaskModel) -> CopyOutput:
        return raise_it()  # type: ignore[no-any-return]

    return blocking


def raising(error: Exception) -> Callable[[], Any]:
    def throw() -> None:
        raise error

    return throw


def test_an_async_handler_runs_to_its_result_and_what_it_did_is_there_to_look_at(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    ended = attempt(copy, run, {"file_id": run.files.put("a.txt", b"abc").id, "times": 2})
    assert (ended.status, ended.result, ended.error) == ("COMPLETED", {"sizes": [3.0, 3.0]}, None)
    assert (run.emitted, run.progressed, run.log.events) == (["2 copies"], [(50, "sending")], ["copied"])
    assert run.mail.sent[0]["message_id"] == f"<{run.task_id}-1>"
    assert len(run.files.stored) == 3


def test_a_blocking_handler_is_called_as_it_is(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    assert attempt(measure, run, {"file_id": str(run.files.put("a.txt", b"abc").id)}).result == {"sizes": [3.0]}


def test_a_bare_handler_can_be_called_with_either_run(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    given = CopyInput(file_id=run.files.put("a.txt", b"abc").id)
    assert measure(run, given) == CopyOutput(sizes=[3])


async def test_a_coroutine_awaits_the_bare_handler(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    given = CopyInput(file_id=run.files.put("a.txt", b"abc").id)
    assert await copy(run.awaited, given) == CopyOutput(sizes=[3])


@pytest.mark.parametrize(
    ("error", "status", "delay"),
    [
        (ConnectionError("away"), "RETRYING", 60),
        (ProviderUnavailable("busy", retry_after=timedelta(seconds=90)), "RETRYING", 90),
        (RuntimeError("odd"), "RETRYING", 120),
        (ValueError("wrong"), "FAILED", 0),
        (Retry("later", delay=5), "RETRYING", 5),
        (Fatal("never"), "FAILED", 0),
        (FileMissing(), "FAILED", 0),
    ],
)
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "blocking"])
def test_an_error_is_decided_on_as_a_worker_does(error: Exception, status: str, delay: float, is_async: bool) -> None:
    ended = attempt(failing(raising(error), is_async=is_async), FakeRun(), {})
    assert (ended.status, ended.delay, ended.result) == (status, timedelta(seconds=delay), None)
    assert ended.error is not None
    assert ended.error.type == type(error).__name__


def test_after_the_last_attempt_it_fails() -> None:
    run = FakeRun(attempt=3)
    ended = attempt(failing(raising(ConnectionError("away"))), run, {})
    assert ended.status == "FAILED"
    assert ended.error is not None
    assert ended.error.retryable


@pytest.mark.parametrize(
    ("returned", "kind"),
    [("a text", "TypeError"), (CopyOutput(sizes=[float("nan")]), "Fatal"), (CopyOutput(sizes=[0] * 300_000), None)],
    ids=["no model", "no JSON", "too large"],
)
def test_a_result_that_cannot_be_stored_is_a_failure(returned: Any, kind: str | None) -> None:
    ended = attempt(failing(lambda: returned), FakeRun(), {})
    assert ended.status != "COMPLETED"
    assert ended.error is not None
    assert ended.error.type == (kind or "result_too_large")


def test_an_input_that_a_submit_would_refuse_is_refused() -> None:
    with pytest.raises(InputRefused, match="/times"):
        attempt(copy, FakeRun(), {"file_id": "019aa6a0-5f1e-7c3a-9d2b-4a6c8e0f1b2d", "times": "many"})


async def test_it_says_so_where_a_loop_runs_already() -> None:
    with pytest.raises(RuntimeError, match="plain test"):
        attempt(copy, FakeRun(), {})


def test_files_want_a_folder() -> None:
    with pytest.raises(ValueError, match="tmp_path"):
        FakeRun().files.put("a.txt", b"abc")
