"""The main job, whole: submit over REST, run on an arq worker, read the answer."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx

from service.client import AsyncClient
from tests.e2e.conftest import Service, facts_of
from tests.support.own_tasks import Number


async def test_a_prompt_is_accepted_at_once_and_answered_by_the_embedded_model(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.url, timeout=120) as http:
        started = time.monotonic()
        accepted = await http.post(
            "/api/v1/tasks", json={"prompt": "什么是量子计算？", "model": "gpt-3.5-turbo", "max_tokens": 24}
        )
        assert accepted.status_code == 422, "the short form knows prompt and model only"
        accepted = await http.post("/api/v1/tasks", json={"prompt": "什么是量子计算？", "model": "gpt-3.5-turbo"})
        elapsed = time.monotonic() - started
        assert accepted.status_code == 201
        view = accepted.json()
        assert (view["status"], view["prompt"], view["model"]) == ("PENDING", "什么是量子计算？", "gpt-3.5-turbo")
        assert elapsed < 5
        final = view
        while final["status"] not in {"COMPLETED", "FAILED", "CANCELLED"}:
            final = (await http.get(view["links"]["self"], params={"wait": 60})).json()
        assert final["status"] == "COMPLETED", final["error"]
        assert final["result"]["text"].strip()
        assert final["result"]["model"] != "gpt-3.5-turbo", "the result names the model that answered"
        assert final["model"] == "gpt-3.5-turbo", "the view keeps the one that was asked for"
        usage = final["result"]["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert final["progress"]["percent"] == 100


async def test_a_connection_error_is_retried_until_it_works(client: AsyncClient) -> None:
    task = await client.submit("unreliable_task", {"fail_times": 2, "error": "connection"})
    done = await client.wait(task.id, timeout=30)
    assert (done.status, done.result) == ("COMPLETED", {"attempts": 3})
    attempts = await client.attempts(task.id)
    assert [a.outcome for a in attempts] == ["retried", "retried", "completed"]
    waits = [b.started_at - a.finished_at for a, b in pairwise(attempts) if b.started_at and a.finished_at]
    least = timedelta(milliseconds=55), timedelta(milliseconds=115)
    assert all(wait >= bound for wait, bound in zip(waits, least, strict=True)), "60 s and 120 s, at a thousandth"


async def test_a_value_error_fails_at_once(client: AsyncClient) -> None:
    task = await client.submit("unreliable_task", {"fail_times": 1, "error": "value"})
    done = await client.wait(task.id, timeout=30)
    assert done.status == "FAILED"
    assert done.attempt == 1
    assert done.error is not None
    assert (done.error.type, done.error.retryable) == ("ValueError", False)


async def test_any_other_error_is_tried_four_times(client: AsyncClient) -> None:
    task = await client.submit("unreliable_task", {"fail_times": 9, "error": "other"})
    done = await client.wait(task.id, timeout=30)
    assert (done.status, done.attempt) == ("FAILED", 4)
    assert [a.outcome for a in await client.attempts(task.id)] == ["retried"] * 3 + ["failed"]


async def test_a_failed_task_is_retried_by_a_person(client: AsyncClient) -> None:
    task = await client.submit("fatal", {})
    assert (await client.wait(task.id, timeout=30)).status == "FAILED"
    again = await client.retry(task.id)
    assert (again.status, again.generation, again.attempt) == ("PENDING", 2, 0)
    assert (await client.wait(task.id, timeout=30)).status == "FAILED"
    assert [(a.generation, a.outcome) for a in await client.attempts(task.id)] == [(1, "failed"), (2, "failed")]


async def test_a_handler_may_ask_for_its_retry_by_name(client: AsyncClient) -> None:
    task = await client.submit("retry_once", {})
    assert (await client.wait(task.id, timeout=30)).result == {"value": 2.0}


async def test_progress_is_seen_while_a_task_runs(client: AsyncClient) -> None:
    task = await client.submit("sleep", {"value": 0.6})
    seen = [state.progress.percent async for state in client.watch(task.id) if state.progress]
    assert len({round(percent) for percent in seen}) > 2, seen
    assert seen == sorted(seen)


async def test_a_running_task_is_cancelled_within_a_second(client: AsyncClient) -> None:
    for task_type in ("sleep", "blocking_sleep"):
        task = await client.submit(task_type, {"value": 50})
        await _until_running(client, task.id)
        asked = time.monotonic()
        assert (await client.cancel(task.id)).cancel_requested
        done = await client.wait(task.id, timeout=30)
        assert done.status == "CANCELLED"
        assert time.monotonic() - asked < 2
        assert [a.outcome for a in await client.attempts(task.id)] == ["cancelled"]


async def test_a_time_limit_ends_async_and_blocking_handlers(client: AsyncClient) -> None:
    for task_type in ("sleep", "blocking_sleep"):
        task = await client.submit(task_type, {"value": 50}, timeout=0.5, max_attempts=1)
        done = await client.wait(task.id, timeout=30)
        assert done.status == "FAILED"
        assert done.error is not None
        assert done.error.type == "TimeoutError"
        assert [a.outcome for a in await client.attempts(task.id)] == ["timed_out"]


async def test_a_delayed_task_starts_when_due(client: AsyncClient) -> None:
    task = await client.submit("shout", {"text": "later"}, delay=1.0)
    assert task.status == "SCHEDULED"
    done = await client.wait(task.id, timeout=30)
    assert done.started_at is not None
    assert task.created_at is not None
    late = done.started_at - task.created_at - timedelta(seconds=1)
    assert timedelta(0) <= late < timedelta(seconds=2), late


async def test_a_task_past_its_expiry_fails_unstarted(client: AsyncClient) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    task = await client.submit("shout", {"text": "never"}, delay=60, expires_at=soon)
    done = await client.wait(task.id, timeout=30)
    assert done.error is not None
    assert (done.status, done.error.type, done.started_at) == ("FAILED", "expired", None)


async def test_results_that_cannot_be_stored_fail_and_the_worker_lives(client: AsyncClient) -> None:
    for task_type, error in (("not_a_number", "Fatal"), ("nul", "Fatal"), ("too_large", "result_too_large")):
        task = await client.submit(task_type, {})
        done = await client.wait(task.id, timeout=30)
        assert done.error is not None
        assert (done.status, done.error.type) == ("FAILED", error), task_type
    task = await client.submit("shout", {"text": "alive"})
    assert (await client.wait(task.id, timeout=30)).result == {"text": "ALIVE"}


async def test_a_batch_of_a_thousand_completes(client: AsyncClient) -> None:
    batch = [{"type": "simple_calculation", "input": {"a": n, "b": 1, "operation": "add"}} for n in range(1_000)]
    accepted = await client.submit_batch(batch)
    assert len(accepted) == 1_000
    for index in (0, 499, 999):
        done = await client.wait(accepted[index].id, timeout=60)
        assert done.result == {"operation": "add", "result": index + 1}


async def shouted(service: Service, client: AsyncClient) -> str:
    async with httpx.AsyncClient(base_url=service.url) as http:
        accepted = await http.post(
            "/api/v1/tasks",
            json={"type": "shout", "input": {"text": "log me"}},
            headers={"X-Request-ID": "the-request-of-this-test"},
        )
    return (await client.wait(accepted.json()["id"], timeout=30)).id


async def test_every_line_of_a_run_says_whose_it_is(service: Service, client: AsyncClient) -> None:
    [worker] = service.workers
    logged: list[str] = []

    async def is_logged() -> bool:
        # Lines of what goes well are rationed by the second, and others may just have had this one's.
        task_id = await shouted(service, client)
        logged[:] = [str(f["task_id"]) for f in facts_of(worker.lines) if f["event"] == "task_settled"]
        return task_id in logged

    await worker.wait_until(is_logged)
    task_id = logged[-1]
    lines = [f for f in facts_of(worker.lines) if f.get("task_id") == task_id]
    for line in lines:
        assert line["request_id"] == "the-request-of-this-test"
        assert (line["type"], line["queue"], line["attempt"], line["generation"]) == ("shout", "demo_tasks", 1, 1)
        assert line["worker"]
    assert not any("log me" in line for line in worker.lines), "payloads are never logged"


async def test_a_users_module_is_discovered_and_described(client: AsyncClient) -> None:
    types = {t.name: t for t in await client.task_types()}
    assert types["shout"].description == "Say it in capitals."
    assert types["sleep"].input_schema["properties"].keys() == Number.model_fields.keys()


async def test_two_waiters_of_one_task_both_hear_its_end(client: AsyncClient) -> None:
    task = await client.submit("sleep", {"value": 0.3})
    first, second = await asyncio.gather(client.wait(task.id, timeout=30), client.wait(task.id, timeout=30))
    assert first.status == second.status == "COMPLETED"


async def _until_running(client: AsyncClient, task_id: str) -> None:
    deadline = time.monotonic() + 30
    while (await client.get(task_id)).status != "PROCESSING":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
