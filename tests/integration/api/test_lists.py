"""Many tasks over REST: pages, filters, and batches that are accepted whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from service.schemas.tasks import TaskPage
from shared.db.statements import lookup
from shared.queue.stores import Stores
from tests.integration.api.conftest import SUM, assert_problem

BAD_INPUT = {**SUM, "input": {"a": 1, "operation": "add"}}


async def batch(api: httpx.AsyncClient, tasks: list[dict[str, Any]]) -> list[str]:
    answer = await api.post("/api/v1/tasks/batch", json={"tasks": tasks})
    assert answer.status_code == 201, answer.text
    return [item["id"] for item in answer.json()["data"]]


async def listed(api: httpx.AsyncClient, **filters: Any) -> list[str]:
    answer = await api.get("/api/v1/tasks", params=filters)
    assert answer.status_code == 200, answer.text
    return [task["id"] for task in answer.json()["data"]]


async def count_tasks(stores: Stores) -> int:
    async with stores.db.autocommit() as session:
        return int((await session.execute(text("SELECT count(*) FROM tasks"))).scalar_one())


async def test_pages_follow_one_another_without_gap_or_repeat(api: httpx.AsyncClient) -> None:
    ids = await batch(api, [SUM] * 5)
    answer = await api.get("/api/v1/tasks", params={"limit": 2, "type": "simple_calculation"})
    found = []
    while True:
        page = answer.json()
        TaskPage.model_validate(page)
        found.append([task["id"] for task in page["data"]])
        if page["next_cursor"] is None:
            assert "link" not in answer.headers
            break
        assert answer.links["next"]["url"].startswith("/api/v1/tasks?limit=2&type=simple_calculation&cursor=")
        answer = await api.get(answer.links["next"]["url"])
    assert [len(page) for page in found] == [2, 2, 1]
    assert [task for page in found for task in page] == ids[::-1]


async def test_a_page_of_large_tasks_ends_early_and_the_next_goes_on(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "PAGE_BYTES", 5_000)
    large = {**SUM, "metadata": {"fill": "x" * 2_000}}
    ids = await batch(api, [SUM, large, large, large, large, {**SUM, "metadata": {"fill": "x" * 9_000}}])
    found, answer = [], await api.get("/api/v1/tasks", params={"limit": 50})
    while True:
        found.append([task["id"] for task in answer.json()["data"]])
        if "next" not in answer.links:
            break
        assert answer.json()["next_cursor"]
        answer = await api.get(answer.links["next"]["url"])
    assert answer.json()["next_cursor"] is None
    assert [len(page) for page in found] == [1, 3, 2]
    assert [task for page in found for task in page] == ids[::-1]


async def test_filters_narrow_and_repeat(api: httpx.AsyncClient) -> None:
    tagged, urgent, late, plain = await batch(
        api, [{**SUM, "tags": ["x", "y"]}, {**SUM, "queue": "urgent"}, {**SUM, "delay": 900}, SUM]
    )
    await api.post(f"/api/v1/tasks/{plain}/cancel")
    assert await listed(api, tag="y") == [tagged]
    assert await listed(api, queue=["urgent", "nowhere"]) == [urgent]
    assert await listed(api, status="SCHEDULED") == [late]
    assert await listed(api, status="PENDING") == [urgent, tagged]
    assert await listed(api, status=["SCHEDULED", "CANCELLED"]) == [plain, late]
    assert await listed(api, type="text_generation") == []
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert await listed(api, created_after=soon) == []
    assert len(await listed(api, created_before=soon)) == 4


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("state=FAILED", "state"),
        ("status=FAILED&Tag=x", "Tag"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("status=DONE", "status"),
        ("status=pending", "status"),
        ("type=%00", "type"),
        ("tag=a%00b", "tag"),
        ("queue=", "queue"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2030-01-01T00:00:00", "created_after"),
        ("created_before=0001-01-01T00:00:00%2B14:00", "created_before"),
    ],
)
async def test_an_impossible_query_is_refused_by_its_name(api: httpx.AsyncClient, query: str, parameter: str) -> None:
    assert_problem(await api.get(f"/api/v1/tasks?{query}"), 422, "validation_error", parameter)


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "%00", "a" * 32])
async def test_a_forged_cursor_is_a_400(api: httpx.AsyncClient, cursor: str) -> None:
    assert_problem(await api.get(f"/api/v1/tasks?cursor={cursor}"), 400, "invalid_cursor")


async def test_a_batch_is_answered_in_order(api: httpx.AsyncClient) -> None:
    tasks = [{**SUM, "priority": 9 - n % 10, "delay": n % 2 * 100} for n in range(300)]
    answer = await api.post("/api/v1/tasks/batch", json={"tasks": [*tasks, {"prompt": "x"}]})
    data = answer.json()["data"]
    assert [item["status"] for item in data] == ["PENDING", "SCHEDULED"] * 150 + ["PENDING"]
    first, last = [await api.get(f"/api/v1/tasks/{data[n]['id']}") for n in (3, 300)]
    assert (first.json()["priority"], last.json()["type"]) == (6, "text_generation")


@pytest.mark.parametrize(
    ("tasks", "code", "pointer"),
    [
        ([SUM, SUM, BAD_INPUT], "validation_error", "/tasks/2/input/b"),
        ([SUM, {"prompt": ""}], "validation_error", "/tasks/1/prompt"),
        ([SUM, {**SUM, "surplus": 1}], "validation_error", "/tasks/1/surplus"),
        ([SUM, {**SUM, "type": "nothing"}], "unknown_task_type", "/tasks/1/type"),
        ([{**SUM, "callback_url": "x"}, BAD_INPUT], "validation_error", "/tasks/0/callback_url"),
        ([SUM, {**SUM, "queue": "nowhere"}], "validation_error", "/tasks/1/queue"),
        ([SUM, 5], "validation_error", "/tasks/1"),
        ([], "validation_error", "/tasks"),
    ],
    ids=str,
)
async def test_one_bad_task_refuses_the_whole_batch_and_is_named(
    api: httpx.AsyncClient, stores: Stores, tasks: list[Any], code: str, pointer: str
) -> None:
    assert_problem(await api.post("/api/v1/tasks/batch", json={"tasks": tasks}), 422, code, pointer)
    assert await count_tasks(stores) == 0


async def test_ten_thousand_tasks_are_a_batch_and_one_more_is_not(api: httpx.AsyncClient, stores: Stores) -> None:
    answer = await api.post("/api/v1/tasks/batch", json={"tasks": [SUM] * 10_001})
    assert_problem(answer, 422, "validation_error", "/tasks")
    ids = await batch(api, [SUM] * 10_000)
    assert ids == sorted(ids)
    assert len({UUID(task_id) for task_id in ids}) == 10_000 == await count_tasks(stores)
