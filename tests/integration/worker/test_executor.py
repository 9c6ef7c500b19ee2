"""One task from claimed to settled, for every way a handler can end."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
import structlog.testing

import worker.executor
from shared.domain.states import AttemptOutcome, Status
from shared.domain.task import Task
from shared.domain.verdict import completed, released
from shared.logs import merge_facts
from shared.queue.cancel import cancel
from shared.queue.lookup import get_task, list_attempts
from tests.integration.worker.conftest import TENANT, Bench
from tests.integration.worker.handlers import Stage


async def outcomes(bench: Bench, task: Task) -> list[AttemptOutcome]:
    return [attempt.outcome for attempt in await list_attempts(bench.stores, TENANT, task.id)]


async def test_a_result_is_stored_with_full_progress(bench: Bench) -> None:
    task = await bench.done("returns", "good")
    assert (task.status, task.result, task.error) == (Status.COMPLETED, {"value": [1, "two", None]}, None)
    assert task.progress is not None
    assert task.progress.percent == 100.0
    assert await outcomes(bench, task) == [AttemptOutcome.COMPLETED]


@pytest.mark.parametrize(
    ("way", "status", "error", "retryable"),
    [
        ("connection", Status.RETRYING, "ConnectionError", True),
        ("value", Status.FAILED, "ValueError", False),
        ("other", Status.RETRYING, "RuntimeError", True),
        ("fatal", Status.FAILED, "Fatal", False),
        ("retry", Status.RETRYING, "Retry", True),
        ("provider", Status.RETRYING, "ProviderUnavailable", True),
        ("base", Status.RETRYING, "Unlike", True),
        ("exit", Status.RETRYING, "RuntimeError", True),
        ("cancelled", Status.RETRYING, "CancelledError", True),
    ],
)
async def test_what_a_handler_raises_decides(
    bench: Bench, way: str, status: Status, error: str, retryable: bool
) -> None:
    task = await bench.done("raises", way)
    assert task.status is status
    assert task.error is not None
    assert (task.error.type, task.error.retryable) == (error, retryable)
    expected = AttemptOutcome.RETRIED if status is Status.RETRYING else AttemptOutcome.FAILED
    assert await outcomes(bench, task) == [expected]


@pytest.mark.parametrize(("way", "seconds"), [("retry", 3_600), ("provider", 7_200)])
async def test_a_wait_asked_for_by_name_is_not_scaled(bench: Bench, way: str, seconds: int) -> None:
    task = await bench.done("raises", way)
    assert (task.run_at - task.updated_at).total_seconds() == seconds


async def test_the_last_attempt_fails(bench: Bench) -> None:
    task = await bench.done("raises", "other", max_attempts=1)
    assert (task.status, task.attempt) == (Status.FAILED, 1)


async def test_a_type_without_retries_fails_at_once(bench: Bench) -> None:
    assert (await bench.done("never_retried", "connection")).status is Status.FAILED


async def test_a_retried_task_completes_in_its_next_attempt(bench: Bench) -> None:
    first = await bench.done("at_once")
    assert first.status is Status.RETRYING
    second = await bench.finish(bench.execution_of(await bench.claimed(first)))
    assert (second.status, second.result, second.attempt) == (Status.COMPLETED, {"value": 2}, 2)
    assert await outcomes(bench, second) == [AttemptOutcome.RETRIED, AttemptOutcome.COMPLETED]


@pytest.mark.parametrize("way", ["nan", "infinity", "nul", "surrogate", "factorial", "object", "circle", "unreadable"])
async def test_a_result_that_cannot_be_stored_fails_for_good(bench: Bench, way: str) -> None:
    task = await bench.done("returns", way)
    assert (task.status, task.result) == (Status.FAILED, None)
    assert task.error is not None
    assert not task.error.retryable
    assert "no storable JSON" in task.error.message


async def test_a_result_that_is_too_large_fails_for_good(bench: Bench) -> None:
    task = await bench.done("returns", "huge")
    assert task.status is Status.FAILED
    assert task.error is not None
    assert task.error.type == "result_too_large"


@pytest.mark.parametrize(("way", "name"), [("other model", "Other"), ("dict", "dict"), ("none", "NoneType")])
async def test_a_result_of_another_type_is_the_handlers_error(bench: Bench, way: str, name: str) -> None:
    task = await bench.done("returns", way, max_attempts=1)
    assert task.status is Status.FAILED
    assert task.error is not None
    assert (task.error.type, task.error.message) == ("TypeError", f"the handler returned {name}, not Output")


async def test_a_retry_policy_with_a_fault_ends_the_task_all_the_same(bench: Bench) -> None:
    task = await bench.done("badly_retried")
    assert task.status is Status.FAILED
    assert task.error is not None
    assert (task.error.type, task.error.message) == ("RuntimeError", "the handler's own")


@pytest.mark.parametrize(
    ("type_", "given", "error"),
    [
        ("unknown_here", {"way": ""}, "UnknownTaskType"),
        ("returns", {"old": 1}, "invalid_input"),
        ("careless", {"way": "unheard of"}, "invalid_input"),
    ],
)
async def test_a_row_that_other_code_wrote_fails_for_good(
    bench: Bench, type_: str, given: dict[str, Any], error: str
) -> None:
    task = await bench.done(type_, input=given)
    assert task.status is Status.FAILED
    assert task.error is not None
    assert (task.error.type, task.error.retryable) == (error, False)


async def test_a_def_handler_in_a_thread_goes_the_same_way(bench: Bench) -> None:
    task = await bench.done("in_a_thread")
    assert (task.status, task.result) == (Status.COMPLETED, {"value": "from a thread"})
    failed = await bench.done("in_a_thread", "value")
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert failed.error.type == "ValueError"


async def test_a_handler_over_its_time_limit_is_ended_and_retried(bench: Bench, stage: Stage) -> None:
    task = await bench.done("waits", timeout=0.1)
    assert task.status is Status.RETRYING
    assert stage.cancels == 1
    assert task.error is not None
    assert task.error.type == "TimeoutError"
    assert task.progress is not None
    assert task.progress.percent == 40.0, "the last word of the run is kept"
    assert await outcomes(bench, task) == [AttemptOutcome.TIMED_OUT]


async def test_a_handler_that_returns_in_time_of_its_cancel_has_returned(bench: Bench) -> None:
    task = await bench.done("waits", "returns", timeout=0.1)
    assert (task.status, task.result) == (Status.COMPLETED, {"value": False})


async def test_a_handler_that_ignores_its_time_limit_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.executor, "CANCEL_GRACE_SECONDS", 0.2)
    task = await bench.done("stubborn", timeout=0.1)
    assert await outcomes(bench, task) == [AttemptOutcome.TIMED_OUT]


async def test_a_cancel_reaches_the_handler_and_is_honoured(bench: Bench, stage: Stage) -> None:
    execution, ending = await bench.running("waits")
    assert (await cancel(bench.stores, TENANT, execution.task.id)).cancel_requested
    execution.cancel()
    task = await ending
    assert (task.status, task.error, stage.cancels) == (Status.CANCELLED, None, 1)
    assert await outcomes(bench, task) == [AttemptOutcome.CANCELLED]


async def test_a_cancel_told_again_does_not_disturb_the_clean_up(bench: Bench, stage: Stage) -> None:
    """The request stands in the row, so a worker finds it twice a second until the run ends."""
    execution, ending = await bench.running("waits", "cleans up")
    for _ in range(3):
        execution.cancel()
        await asyncio.sleep(0.05)
    task = await ending
    assert (task.status, stage.cancels) == (Status.CANCELLED, 1)
    assert execution.task.id == task.id


async def test_a_handler_that_finishes_despite_a_cancel_has_finished(bench: Bench) -> None:
    execution, ending = await bench.running("waits", "returns")
    execution.cancel()
    task = await ending
    assert (task.status, task.result) == (Status.COMPLETED, {"value": True})


async def test_a_handler_that_breaks_while_it_is_cancelled_is_not_run_again(bench: Bench) -> None:
    execution, ending = await bench.running("waits", "raises")
    await cancel(bench.stores, TENANT, execution.task.id)
    execution.cancel()
    assert (await ending).status is Status.CANCELLED


async def test_an_interrupted_run_is_given_back_and_costs_no_attempt(bench: Bench) -> None:
    execution, ending = await bench.running("waits")
    execution.interrupt()
    task = await ending
    assert (task.status, task.attempt, task.error) == (Status.RETRYING, 0, None)
    assert await outcomes(bench, task) == [AttemptOutcome.RELEASED]


async def test_a_run_interrupted_before_its_handler_began_never_begins(bench: Bench, stage: Stage) -> None:
    execution = await bench.execution("waits")
    execution.interrupt()
    task = await bench.finish(execution)
    assert task.status is Status.RETRYING
    assert not stage.entered.is_set()


async def test_a_handler_that_ignores_an_interrupt_does_not_hold_the_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.executor, "CANCEL_GRACE_SECONDS", 0.2)
    execution, ending = await bench.running("stubborn", timeout=300.0)
    started = time.monotonic()
    execution.interrupt()
    task = await ending
    assert time.monotonic() - started < 5
    assert (task.status, task.attempt) == (Status.RETRYING, 0)


async def test_a_cancel_request_outlives_an_interrupt(bench: Bench) -> None:
    execution, ending = await bench.running("waits")
    await cancel(bench.stores, TENANT, execution.task.id)
    execution.interrupt()
    assert (await ending).status is Status.CANCELLED


async def test_a_run_that_lost_its_lease_changes_nothing(bench: Bench) -> None:
    first = await bench.execution("returns", "good")
    assert await bench.write(first, released()) is not None
    second = bench.execution_of(await bench.claimed(await get_task(bench.stores, TENANT, first.task.id)))
    assert await bench.write(first, await bench.verdict_of(first)) is None
    assert (await get_task(bench.stores, TENANT, first.task.id)).status is Status.PROCESSING
    assert await bench.write(second, completed('"second"')) is not None
    assert (await get_task(bench.stores, TENANT, first.task.id)).result == "second"


@pytest.mark.parametrize("result", ['"text"', '"123"', '"null"', "7", "null", "[]", '{"a": "1"}'])
async def test_a_result_that_is_no_object_reads_as_it_was_written(bench: Bench, result: str) -> None:
    execution = await bench.execution("returns", "good")
    await bench.write(execution, completed(result))
    assert (await get_task(bench.stores, TENANT, execution.task.id)).result == json.loads(result)


async def test_every_line_of_a_run_carries_its_facts_and_no_payload(bench: Bench) -> None:
    capture = structlog.testing.LogCapture()
    before = structlog.get_config()["processors"]
    structlog.configure(processors=[merge_facts, capture])
    try:
        execution = await bench.execution("raises", "other", request_id="req-1")
        await bench.finish(execution)
    finally:
        structlog.configure(processors=before)
    assert [line["event"] for line in capture.entries] == ["task_started"]
    for line in capture.entries:
        assert (line["task_id"], line["type"], line["queue"]) == (str(execution.task.id), "raises", "demo_tasks")
        assert (line["attempt"], line["generation"], line["request_id"]) == (1, 1, "req-1")
        assert line["worker"] == str(bench.who.worker_id)
        assert "broke" not in str(line)
