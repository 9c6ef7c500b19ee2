"""The routes of bulk verbs and operations: what is meant, what is answered, what is refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.schemas.bulk import OperationPage, OperationView
from shared.queue import bulk
from shared.queue.bulk import run_operations
from shared.queue.stores import Stores
from tests.integration.api.conftest import SUM, assert_problem

BULK = "/api/v1/tasks/bulk"
OPERATIONS = "/api/v1/operations"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However loaded the machine is, small operations end before their answer."""
    monkeypatch.setattr(bulk, "OWN_SECONDS", 60.0)
    monkeypatch.setattr(bulk, "TOTAL_SECONDS", 60.0)


async def submitted(api: httpx.AsyncClient, number: int, **more: Any) -> list[str]:
    return [(await api.post("/api/v1/tasks", json={**SUM, **more})).json()["id"] for _ in range(number)]


def counts(answer: httpx.Response) -> tuple[int, int, dict[str, int]]:
    view = OperationView.model_validate(answer.json())
    return view.matched, view.done, view.skipped


async def test_tasks_are_cancelled_retried_and_deleted_by_a_filter(api: httpx.AsyncClient) -> None:
    await submitted(api, 3, tags=["old"])
    await submitted(api, 1)
    old = {"filter": {"tag": "old"}}
    for action in ("cancel", "retry", "cancel", "delete"):
        answer = await api.post(f"{BULK}/{action}", json=old)
        assert answer.status_code == 200
        assert counts(answer) == (3, 3, {})
        assert answer.json()["filter"] == {"tag": ["old"]}
        read = await api.get(answer.headers["location"])
        assert read.json() == answer.json()
    assert len((await api.get("/api/v1/tasks")).json()["data"]) == 1
    assert counts(await api.post(f"{BULK}/delete", json={"filter": {}, "all": True})) == (1, 0, {"pending": 1})


async def test_tasks_are_meant_by_their_ids(api: httpx.AsyncClient) -> None:
    [one, two] = await submitted(api, 2)
    answer = await api.post(f"{BULK}/cancel", json={"ids": [one, one, str(uuid4())]})
    assert counts(answer) == (1, 1, {"not_found": 1})
    assert (answer.json()["total"], answer.json()["filter"]) == (2, None)
    assert (await api.get(f"/api/v1/tasks/{two}")).json()["status"] == "PENDING"


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
async def test_a_dry_run_counts_and_keeps_nothing(api: httpx.AsyncClient, action: str) -> None:
    await submitted(api, 2)
    answer = await api.post(f"{BULK}/{action}", json={"filter": {"status": "PENDING"}, "dry_run": True})
    assert answer.status_code == 200
    view = OperationView.model_validate(answer.json())
    assert (view.id, view.dry_run, view.matched, view.done, view.total) == (None, True, 2, 0, 2)
    assert view.skipped == ({} if action == "cancel" else {"pending": 2})
    assert (await api.get(OPERATIONS)).json()["data"] == []
    assert {task["status"] for task in (await api.get("/api/v1/tasks")).json()["data"]} == {"PENDING"}


async def test_many_tasks_become_an_operation_that_workers_end(
    api: httpx.AsyncClient, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOVED_AT_ONCE", 2)
    monkeypatch.setattr(bulk, "OWN_TASKS", 2)
    await submitted(api, 5)
    answer = await api.post(f"{BULK}/cancel", json={"filter": {"queue": ["demo_tasks"]}})
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "1")
    view = OperationView.model_validate(answer.json())
    assert (view.state, view.done, view.total) == ("running", 2, 5)
    assert (await api.get(answer.headers["location"])).headers["retry-after"] == "1"
    await run_operations(stores)
    ended = await api.get(answer.headers["location"])
    assert (ended.json()["state"], ended.json()["done"]) == ("done", 5)
    assert "retry-after" not in ended.headers
    page = OperationPage.model_validate((await api.get(OPERATIONS)).json())
    assert [one.id for one in page.data] == [view.id]


async def test_an_operation_is_cancelled_while_it_runs(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOVED_AT_ONCE", 1)
    monkeypatch.setattr(bulk, "OWN_TASKS", 1)
    await submitted(api, 3)
    running = (await api.post(f"{BULK}/cancel", json={"filter": {}, "all": True})).json()
    ended = await api.post(running["links"]["cancel"])
    assert (ended.status_code, ended.json()["state"], ended.json()["done"]) == (200, "cancelled", 1)
    assert_problem(await api.post(running["links"]["cancel"]), 409, "conflict")
    assert_problem(await api.post(f"{OPERATIONS}/{uuid4()}/cancel"), 404, "not_found")
    assert_problem(await api.get(f"{OPERATIONS}/{uuid4()}"), 404, "not_found")


async def test_operations_are_paged(api: httpx.AsyncClient) -> None:
    made = [(await api.post(f"{BULK}/cancel", json={"ids": [str(uuid4())]})).json()["id"] for _ in range(3)]
    first = await api.get(f"{OPERATIONS}?limit=2")
    rest = await api.get(f"{OPERATIONS}?limit=2&cursor={first.json()['next_cursor']}")
    assert "next" in first.headers["link"]
    assert [one["id"] for one in first.json()["data"] + rest.json()["data"]] == made[::-1]
    assert_problem(await api.get(f"{OPERATIONS}?cursor=forged"), 400, "invalid_cursor")


async def test_a_repeat_with_the_same_key_is_told_of_the_first(api: httpx.AsyncClient) -> None:
    await submitted(api, 2)
    body, headers = {"filter": {"status": ["PENDING"]}}, {"Idempotency-Key": "once"}
    first = await api.post(f"{BULK}/cancel", json=body, headers=headers)
    await submitted(api, 1)
    again = await api.post(f"{BULK}/cancel", json=body, headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    other = await api.post(f"{BULK}/cancel", json={"filter": {}, "all": True}, headers=headers)
    assert_problem(other, 422, "idempotency_key_reused")


ID = "019aa6a0-5f1e-7c3a-9d2b-4a6c8e0f1b2d"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/ids"),
        ({"ids": [ID], "filter": {"tag": "a"}}, "/ids"),
        ({"filter": {}}, "/filter"),
        ({"filter": {}, "all": False}, "/filter"),
        ({"filter": {"tag": "a"}, "all": True}, "/all"),
        ({"ids": [ID], "all": True}, "/all"),
        ({"ids": []}, "/ids"),
        ({"ids": ["x"]}, "/ids/0"),
        ({"ids": [7]}, "/ids/0"),
        ({"ids": [ID] * 10_001}, "/ids"),
        ({"filter": {"status": "DONE"}}, "/filter/status/0"),
        ({"filter": {"status": []}}, "/filter/status"),
        ({"filter": {"tags": "a"}}, "/filter/tags"),
        ({"filter": {"tag": "\x00"}}, "/filter/tag"),
        ({"filter": {"created_after": "yesterday"}}, "/filter/created_after"),
        ({"filter": {"tag": "a"}, "dry_run": "yes"}, "/dry_run"),
    ],
)
@pytest.mark.parametrize("action", ["cancel", "delete"])
async def test_what_is_not_clear_touches_nothing(
    api: httpx.AsyncClient, action: str, body: dict[str, Any], pointer: str
) -> None:
    [task] = await submitted(api, 1)
    problem = assert_problem(await api.post(f"{BULK}/{action}", json=body), 422, "validation_error")
    assert pointer in {error["pointer"] for error in problem["errors"]}
    assert (await api.get(f"/api/v1/tasks/{task}")).json()["status"] == "PENDING"
