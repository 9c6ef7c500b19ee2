"""A second submit with a unique key over REST: 200, the first one's task, and a header that says so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from service.schemas.tasks import BatchView, TaskView
from shared.registry import Registry
from tests.integration.api.conftest import SUM, assert_problem
from tests.support.unique_tasks import registry as with_unique_types

PAGE: dict[str, Any] = {"type": "crawl", "input": {"url": "https://a.example/"}}


@pytest.fixture(scope="session")
def registry() -> Registry:
    return with_unique_types()


async def test_the_second_submit_gets_the_first_ones_task(api: httpx.AsyncClient) -> None:
    first = await api.post("/api/v1/tasks", json=PAGE)
    assert (first.status_code, "existing-task" in first.headers) == (201, False)
    second = await api.post("/api/v1/tasks", json=PAGE)
    assert (second.status_code, second.headers["existing-task"]) == (200, "true")
    assert TaskView.model_validate(second.json()).id == TaskView.model_validate(first.json()).id
    assert second.headers["location"] == first.headers["location"]
    other = await api.post("/api/v1/tasks", json={**PAGE, "input": {"url": "https://b.example/"}})
    assert other.status_code == 201


async def test_a_repeat_of_the_second_submit_is_its_answer_again(api: httpx.AsyncClient) -> None:
    first = await api.post("/api/v1/tasks", json=PAGE)
    for replayed in (None, "true"):
        second = await api.post("/api/v1/tasks", json=PAGE, headers={"Idempotency-Key": "second"})
        assert (second.status_code, second.headers["existing-task"]) == (200, "true")
        assert second.headers.get("idempotent-replayed") == replayed
        assert second.json()["id"] == first.json()["id"]


async def test_who_comes_second_may_wait_for_the_first(api: httpx.AsyncClient) -> None:
    first = (await api.post("/api/v1/tasks", json=PAGE)).json()
    waited = await api.post("/api/v1/tasks", json=PAGE, headers={"Prefer": "wait=0"})
    assert (waited.status_code, waited.headers["existing-task"]) == (200, "true")
    assert (waited.headers["preference-applied"], waited.json()["id"]) == ("wait=0", first["id"])


async def test_a_batch_names_those_that_were_there(api: httpx.AsyncClient) -> None:
    first = (await api.post("/api/v1/tasks", json=PAGE)).json()
    answer = await api.post("/api/v1/tasks/batch", json={"tasks": [SUM, PAGE, PAGE]})
    assert answer.status_code == 201
    plain, *existing = BatchView.model_validate(answer.json()).data
    assert [(str(item.id), item.existing) for item in existing] == [(first["id"], True)] * 2
    assert not plain.existing
    assert "existing" not in answer.json()["data"][0]


async def test_a_schedule_that_is_run_now_finds_it_too(api: httpx.AsyncClient) -> None:
    schedule = (await api.post("/api/v1/schedules", json={"name": "often", "every": 3_600, **PAGE})).json()
    first = await api.post(schedule["links"]["run"])
    second = await api.post(schedule["links"]["run"])
    assert (first.status_code, second.status_code, second.headers["existing-task"]) == (201, 200, "true")
    assert first.json()["id"] == second.json()["id"]


async def test_a_retry_beside_a_newer_one_is_a_conflict(api: httpx.AsyncClient) -> None:
    old = (await api.post("/api/v1/tasks", json=PAGE)).json()
    await api.post(old["links"]["cancel"])
    await api.post("/api/v1/tasks", json=PAGE)
    assert_problem(await api.post(old["links"]["retry"]), 409, "conflict")


@pytest.mark.parametrize("given", [{"note": "broken"}, {"url": "x" * 256}])
async def test_a_key_that_cannot_be_made_is_a_fault_of_the_input(api: httpx.AsyncClient, given: dict[str, Any]) -> None:
    body = {"type": "fetch", "input": {"url": "https://a.example/", **given}}
    assert_problem(await api.post("/api/v1/tasks", json=body), 422, "validation_error", "/input")
