"""One task over REST: submitted, read, waited for, cancelled, retried."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from service.schemas.tasks import AttemptList, TaskView
from shared.domain.ids import new_id
from shared.domain.task import ClaimedTask
from shared.domain.verdict import TaskError, Verdict, completed, failed
from shared.queue.claim import Claimant, claim_hinted, claim_next
from shared.queue.lookup import get_task
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from shared.queue.submit import submit
from tests.integration.api.conftest import SUM, assert_problem

PROMPT = {"prompt": "Say hello.", "model": "tiny"}
BROKEN = TaskError("RuntimeError", "it broke", retryable=False, traceback="Traceback: secret/path.py")


async def submitted(api: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    answer = await api.post("/api/v1/tasks", json={**SUM, **given})
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    return task


async def started(stores: Stores, who: Claimant, task: dict[str, Any]) -> ClaimedTask:
    [run] = await claim_hinted(stores, who, [UUID(task["id"])])
    return run


async def ended(stores: Stores, who: Claimant, task: dict[str, Any], verdict: Verdict) -> None:
    run = await started(stores, who, task)
    assert (await settle(stores, [Settlement(1, run.id, run.lease, verdict, None)]))[0] is not None


async def test_a_submitted_task_is_answered_whole_and_can_be_read(api: httpx.AsyncClient) -> None:
    asked: dict[str, Any] = {
        **SUM,
        "queue": "urgent",
        "priority": 0,
        "timeout": 0.1,
        "max_attempts": 2,
        "tags": ["a", "b"],
        "metadata": {"k": {"deep": [1, None]}},
        "delay": None,
        "concurrency_key": "customer 7",
        "callback_url": None,
    }
    answer = await api.post("/api/v1/tasks", json=asked, headers={"X-Request-ID": "mine-1"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (201, "mine-1")
    task = answer.json()
    TaskView.model_validate(task)
    assert answer.headers["location"] == f"/api/v1/tasks/{task['id']}" == task["links"]["self"]
    assert answer.headers["retry-after"] == "1"
    assert UUID(task["id"]).version == 7
    assert {name: task[name] for name in ("queue", "priority", "timeout", "max_attempts", "tags", "metadata")} == {
        name: asked[name] for name in ("queue", "priority", "timeout", "max_attempts", "tags", "metadata")
    }
    assert (task["status"], task["attempt"], task["generation"]) == ("PENDING", 0, 1)
    assert task["created_at"].endswith("Z")
    read = (await api.get(answer.headers["location"])).json()
    assert {**read, "progress": None} == task


async def test_the_short_form_is_a_text_generation(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/v1/tasks", json={**PROMPT, "priority": 1})
    task = answer.json()
    assert answer.status_code == 201, answer.text
    assert (task["type"], task["queue"], task["priority"]) == ("text_generation", "ai_processing", 1)
    assert (task["prompt"], task["model"], task["input"]) == ("Say hello.", "tiny", PROMPT)
    read = (await api.get(f"/api/v1/tasks/{task['id']}")).json()
    assert (read["prompt"], read["model"]) == ("Say hello.", "tiny")
    full = (await api.post("/api/v1/tasks", json={"type": "text_generation", "input": {"prompt": "x"}})).json()
    assert (full["prompt"], full["model"]) == ("x", None)


async def test_other_types_have_no_prompt_at_the_top(api: httpx.AsyncClient) -> None:
    assert not {"prompt", "model"} & set(await submitted(api))


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "validation_error", "/type"),
        ({"type": "simple_calculation"}, "validation_error", "/input"),
        ({"type": "no_such_type", "input": {}}, "unknown_task_type", "/type"),
        ({**SUM, "input": {"a": 1, "operation": "add"}}, "validation_error", "/input/b"),
        ({**SUM, "input": {**SUM["input"], "x": 1}}, "validation_error", "/input/x"),
        ({**SUM, "input": [1]}, "validation_error", "/input"),
        ({**SUM, "surplus": 1}, "validation_error", "/surplus"),
        ({**SUM, "queue": "nowhere"}, "validation_error", "/queue"),
        ({**SUM, "priority": 10}, "validation_error", "/priority"),
        ({**SUM, "priority": "5"}, "validation_error", "/priority"),
        ({**SUM, "priority": True}, "validation_error", "/priority"),
        ({**SUM, "delay": -1}, "validation_error", "/delay"),
        ({**SUM, "delay": 1e300}, "validation_error", "/delay"),
        ({**SUM, "delay": 1, "run_at": "2030-01-01T00:00:00Z"}, "validation_error", "/run_at"),
        ({**SUM, "run_at": "2030-01-01T00:00:00"}, "validation_error", "/run_at"),
        ({**SUM, "run_at": 5}, "validation_error", "/run_at"),
        ({**SUM, "expires_at": "0001-01-01T00:00:00+14:00"}, "validation_error", "/expires_at"),
        ({**SUM, "timeout": 0}, "validation_error", "/timeout"),
        ({**SUM, "timeout": 1e-300}, "validation_error", "/timeout"),
        ({**SUM, "max_attempts": 40_000}, "validation_error", "/max_attempts"),
        ({**SUM, "max_attempts": 2**63 - 1}, "validation_error", "/max_attempts"),
        ({**SUM, "tags": "a"}, "validation_error", "/tags"),
        ({**SUM, "tags": [1]}, "validation_error", "/tags/0"),
        ({**SUM, "metadata": [1]}, "validation_error", "/metadata"),
        ({**SUM, "concurrency_key": ""}, "validation_error", "/concurrency_key"),
        ({**SUM, "concurrency_key": "a\nb"}, "validation_error", "/concurrency_key"),
        ({**SUM, "concurrency_key": "k" * 256}, "validation_error", "/concurrency_key"),
        ({**SUM, "concurrency_key": 7}, "validation_error", "/concurrency_key"),
        ({**SUM, "callback_url": "http://a.example"}, "validation_error", "/callback_url"),
        ({**SUM, "callback_url": "https://127.1/"}, "validation_error", "/callback_url"),
        ({**SUM, "callback_url": "https://user:pass@a.example"}, "validation_error", "/callback_url"),
        ({**SUM, "callback_url": ""}, "validation_error", "/callback_url"),
        ({**SUM, "callback_url": f"https://a.example/{'x' * 2_048}"}, "validation_error", "/callback_url"),
        ({**PROMPT, "input": {}}, "validation_error", "/prompt"),
        ({**PROMPT, "type": "simple_calculation"}, "validation_error", "/type"),
        ({"model": "tiny"}, "validation_error", "/prompt"),
        ({"prompt": 5}, "validation_error", "/prompt"),
        ([], "validation_error", ""),
        ("text", "validation_error", ""),
        (None, "validation_error", ""),
    ],
    ids=str,
)
async def test_a_request_that_cannot_be_meant_is_refused_with_its_place(
    api: httpx.AsyncClient, body: Any, code: str, pointer: str
) -> None:
    headers = {"content-type": "application/json"}
    assert_problem(await api.post("/api/v1/tasks", content=json.dumps(body), headers=headers), 422, code, pointer)


async def test_a_delayed_task_is_scheduled(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/v1/tasks", json={**SUM, "delay": 100})
    assert answer.json()["status"] == "SCHEDULED"
    assert 98 <= int(answer.headers["retry-after"]) <= 101
    later = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    read = await api.get((await api.post("/api/v1/tasks", json={**SUM, "run_at": later})).headers["location"])
    assert (read.json()["status"], read.headers["retry-after"]) == ("SCHEDULED", "3600")


async def test_an_unknown_id_is_a_404_whatever_it_looks_like(api: httpx.AsyncClient) -> None:
    seen = set()
    for task_id in (str(new_id()), "not-an-id", "1", "batch"):
        for method, tail in (("GET", ""), ("GET", "/attempts"), ("POST", "/cancel"), ("POST", "/retry")):
            problem = assert_problem(await api.request(method, f"/api/v1/tasks/{task_id}{tail}"), 404, "not_found")
            seen.add((problem["title"], problem["detail"]))
    assert len(seen) == 1


async def test_another_tenants_task_reads_as_no_task(api: httpx.AsyncClient, stores: Stores, planned: Any) -> None:
    async with stores.db.autocommit() as session:
        await session.execute(text("INSERT INTO tenants (name) VALUES ('other') ON CONFLICT DO NOTHING"))
        other = (await session.execute(text("SELECT id FROM tenants WHERE name = 'other'"))).scalar_one()
    [theirs] = await submit(stores, other, [planned()])
    absent = (await api.get(f"/api/v1/tasks/{new_id()}")).json()
    answer = await api.get(f"/api/v1/tasks/{theirs.id}")
    varying = {"instance": None, "request_id": None}
    assert assert_problem(answer, 404, "not_found") | varying == absent | varying
    assert_problem(await api.post(f"/api/v1/tasks/{theirs.id}/cancel"), 404, "not_found")
    assert (await api.get("/api/v1/tasks")).json()["data"] == []


async def test_an_etag_saves_the_body_until_something_changes(
    api: httpx.AsyncClient, stores: Stores, claimant: Claimant
) -> None:
    task = await submitted(api)
    path = task["links"]["self"]
    first = await api.get(path)
    known = {"If-None-Match": first.headers["etag"]}
    unchanged = await api.get(path, headers=known)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == first.headers["etag"]
    assert unchanged.headers["retry-after"] == "1"
    await ended(stores, claimant, task, completed('{"operation": "add", "result": 5}'))
    changed = await api.get(path, headers=known)
    assert (changed.status_code, changed.json()["result"]) == (200, {"operation": "add", "result": 5})
    assert "retry-after" not in changed.headers


async def test_a_failed_task_shows_its_error_and_its_attempts(
    api: httpx.AsyncClient, stores: Stores, claimant: Claimant
) -> None:
    task = await submitted(api)
    await ended(stores, claimant, task, failed(BROKEN))
    read = (await api.get(task["links"]["self"])).json()
    TaskView.model_validate(read)
    assert (read["status"], read["attempt"], read["worker"]) == ("FAILED", 1, str(claimant.worker_id))
    assert read["error"]["traceback"] == BROKEN.traceback  # loopback without keys is admin
    assert read["duration"] >= 0
    attempts = (await api.get(f"{task['links']['self']}/attempts")).json()
    AttemptList.model_validate(attempts)
    [attempt] = attempts["data"]
    assert (attempt["attempt"], attempt["generation"], attempt["outcome"]) == (1, 1, "failed")
    assert attempt["error"]["type"] == "RuntimeError"


async def test_a_waiting_task_is_cancelled_at_once(api: httpx.AsyncClient) -> None:
    task = await submitted(api)
    answer = await api.post(task["links"]["cancel"])
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert_problem(await api.post(task["links"]["cancel"]), 409, "conflict")


async def test_a_running_task_is_asked_to_cancel(api: httpx.AsyncClient, stores: Stores, claimant: Claimant) -> None:
    task = await submitted(api)
    await started(stores, claimant, task)
    answer = await api.post(task["links"]["cancel"])
    assert (answer.status_code, answer.json()["status"], answer.json()["cancel_requested"]) == (202, "PROCESSING", True)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "malformed_json"),
        ("{}{}", 400, "malformed_json"),
        ("null", 422, "validation_error"),
        ("[]", 422, "validation_error"),
        ('{"reason": "x"}', 422, "validation_error"),
    ],
)
async def test_a_body_nobody_reads_is_refused_before_anything_happens(
    api: httpx.AsyncClient, body: str, status: int, code: str
) -> None:
    task = await submitted(api)
    headers = {"content-type": "application/json"}
    assert_problem(await api.post(task["links"]["cancel"], content=body, headers=headers), status, code)
    assert (await api.get(task["links"]["self"])).json()["status"] == "PENDING"
    assert (await api.post(task["links"]["cancel"], json={})).json()["status"] == "CANCELLED"
    assert_problem(await api.post(task["links"]["retry"], content=body, headers=headers), status, code)
    assert (await api.get(task["links"]["self"])).json()["status"] == "CANCELLED"
    assert (await api.post(task["links"]["retry"], json={})).json()["status"] == "PENDING"


async def test_retry_starts_a_final_task_anew(api: httpx.AsyncClient, stores: Stores, claimant: Claimant) -> None:
    task = await submitted(api)
    assert_problem(await api.post(task["links"]["retry"]), 409, "conflict")
    await ended(stores, claimant, task, failed(BROKEN))
    again = await api.post(task["links"]["retry"])
    assert again.status_code == 200
    assert (again.json()["status"], again.json()["generation"], again.json()["attempt"]) == ("PENDING", 2, 0)
    await ended(stores, claimant, task, completed("{}"))
    assert_problem(await api.post(task["links"]["retry"]), 409, "conflict")


@asynccontextmanager
async def soon(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs ``work`` beside the block, and sees it end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(work)
        yield


def watched(stores: Stores, task_id: UUID) -> bool:
    return task_id in stores.finals._waiters


async def waiting(stores: Stores, task_id: UUID) -> None:
    """Until somebody waits for the task."""
    async with asyncio.timeout(10):
        while not watched(stores, task_id):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_wait_answers_as_soon_as_the_task_is_final(
    api: httpx.AsyncClient, stores: Stores, claimant: Claimant
) -> None:
    task = await submitted(api)

    async def end_it() -> None:
        await waiting(stores, UUID(task["id"]))
        await ended(stores, claimant, task, completed("{}"))

    async with asyncio.timeout(20), soon(end_it()):
        answer = await api.get(task["links"]["self"], params={"wait": 60})
    assert answer.json()["status"] == "COMPLETED"
    assert not watched(stores, UUID(task["id"]))


async def test_wait_gives_the_task_as_it_stands_when_the_time_is_up(api: httpx.AsyncClient) -> None:
    task = await submitted(api)
    answer = await api.get(task["links"]["self"], params={"wait": 1})
    assert (answer.status_code, answer.json()["status"]) == (200, "PENDING")


@pytest.mark.parametrize("wait", ["61", "-1", "x", ""])
async def test_an_impossible_wait_is_refused(api: httpx.AsyncClient, wait: str) -> None:
    task = await submitted(api)
    assert_problem(await api.get(task["links"]["self"], params={"wait": wait}), 422, "validation_error", "wait")


async def test_a_parameter_of_another_name_is_refused(api: httpx.AsyncClient) -> None:
    task = await submitted(api)
    for method, path in (("GET", ""), ("GET", "/attempts"), ("POST", "/cancel")):
        answer = await api.request(method, task["links"]["self"] + path, params={"wiat": 60, "timeout": 1})
        problem = assert_problem(answer, 422, "validation_error", "wiat")
        assert [error["pointer"] for error in problem["errors"]] == ["wiat", "timeout"]
    assert (await api.get(task["links"]["self"])).json()["status"] == "PENDING"
    assert_problem(await api.post("/api/v1/tasks", params={"wait": 1}, json=SUM), 422, "validation_error", "wait")
    assert (await api.get("/health/live", params={"_": 1})).status_code == 200


async def test_prefer_wait_answers_200_with_the_end_or_201_as_usual(
    api: httpx.AsyncClient, stores: Stores, claimant: Claimant
) -> None:
    late = await api.post("/api/v1/tasks", json=SUM, headers={"Prefer": "respond-async, wait=1"})
    assert (late.status_code, late.headers["preference-applied"]) == (201, "wait=1")
    assert late.headers["location"] == late.json()["links"]["self"]
    await api.post(late.json()["links"]["cancel"])

    async def end_it() -> None:
        async with asyncio.timeout(10):
            while not (runs := await claim_next(stores, claimant, 1)):  # noqa: ASYNC110 - as a worker polls
                await asyncio.sleep(0.01)
        await settle(stores, [Settlement(1, runs[0].id, runs[0].lease, completed("{}"), None)])

    async with asyncio.timeout(20), soon(end_it()):
        answer = await api.post("/api/v1/tasks", json=SUM, headers={"Prefer": "wait=99999"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=60")
    assert answer.json()["status"] == "COMPLETED"
    plain = await api.post("/api/v1/tasks", json=SUM, headers={"Prefer": "wait=soon"})
    assert plain.status_code == 201
    assert "preference-applied" not in plain.headers


async def test_a_task_nobody_can_serve_says_what_is_missing(api: httpx.AsyncClient) -> None:
    task = await submitted(api)
    read = (await api.get(task["links"]["self"])).json()
    assert read["progress"]["message"] == "Waiting: no worker is running."
    TaskView.model_validate(read)


async def test_a_trace_is_kept_and_a_broken_one_ignored(api: httpx.AsyncClient, stores: Stores) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for header, kept in ((trace, trace), ("00-zero", None), (trace.replace("4", "Z"), None)):
        answer = await api.post("/api/v1/tasks", json=SUM, headers={"traceparent": header, "x-request-id": "r.1"})
        task = await get_task(stores, 1, UUID(answer.json()["id"]))
        assert (task.traceparent, task.request_id) == (kept, "r.1")
