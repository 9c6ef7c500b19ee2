"""One key, one task: replayed for a repeat, refused for a reuse, however many ask at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.queue.idempotency import Answer, once, prune_idempotency_keys
from shared.queue.stores import Stores
from tests.integration.api.conftest import SUM, assert_problem
from tests.support.keys import key

KEY = {"Idempotency-Key": "the same, twice"}
TASKS, BATCH = "/api/v1/tasks", "/api/v1/tasks/batch"


async def count(stores: Stores, table: str) -> int:
    async with stores.db.autocommit() as session:
        return int((await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608 - ours


@pytest.mark.parametrize(("path", "body"), [(TASKS, SUM), (BATCH, {"tasks": [SUM, SUM]})], ids=["task", "batch"])
async def test_a_repeat_gets_the_first_answer_again(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    first = await api.post(path, json=body, headers=KEY)
    respelled = dict(reversed(body.items()))
    again = await api.post(path, json=respelled, headers=KEY)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    for name in ("location", "retry-after", "content-type"):
        assert again.headers.get(name) == first.headers.get(name)
    assert len((await api.get(TASKS)).json()["data"]) == len(body.get("tasks", [1]))


async def test_the_first_answer_is_kept_though_the_task_moved_on(api: httpx.AsyncClient) -> None:
    first = await api.post(TASKS, json=SUM, headers=KEY)
    await api.post(first.json()["links"]["cancel"])
    again = await api.post(TASKS, json=SUM, headers=KEY)
    assert (again.status_code, again.json()["status"]) == (201, "PENDING")


async def test_a_replay_that_prefers_to_wait_gets_the_end_as_the_first_request_would(api: httpx.AsyncClient) -> None:
    first = await api.post(TASKS, json=SUM, headers=KEY)
    await api.post(first.json()["links"]["cancel"])
    again = await api.post(TASKS, json=SUM, headers={**KEY, "Prefer": "wait=30"})
    assert (again.status_code, again.json()["status"]) == (200, "CANCELLED")
    assert again.headers["preference-applied"] == "wait=30"
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("name", ["run_at", "expires_at"])
@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59Z"])
async def test_a_time_at_the_edge_of_the_calendar_is_refused_and_stores_nothing(
    api: httpx.AsyncClient, name: str, value: str
) -> None:
    assert_problem(await api.post(TASKS, json={**SUM, name: value}), 422, "validation_error")
    assert (await api.get(TASKS)).json()["data"] == []


async def test_a_key_is_of_one_request(api: httpx.AsyncClient, stores: Stores) -> None:
    await api.post(TASKS, json=SUM, headers=KEY)
    other = await api.post(TASKS, json={**SUM, "priority": 1}, headers=KEY)
    assert_problem(other, 422, "idempotency_key_reused")
    assert_problem(await api.post(BATCH, json={"tasks": [SUM]}, headers=KEY), 422, "idempotency_key_reused")
    assert await count(stores, "tasks") == 1


async def test_a_key_is_kept_for_a_day_and_forgotten_after_two(api: httpx.AsyncClient, stores: Stores) -> None:
    for name in ("hours 25", "hours 47", "hours 49"):
        assert (await api.post(TASKS, json=SUM, headers={"Idempotency-Key": name})).status_code == 201
    async with stores.db.autocommit() as session:
        ago = "make_interval(hours => CAST(split_part(key, ' ', 2) AS integer))"
        await session.execute(text(f"UPDATE idempotency_keys SET created_at = now() - {ago}"))  # noqa: S608 - ours
    assert await prune_idempotency_keys(stores) == 1
    async with stores.db.autocommit() as session:
        left = (await session.execute(text("SELECT key FROM idempotency_keys"))).scalars()
        assert set(left) == {"hours 25", "hours 47"}


async def test_a_key_is_of_one_tenant(api: httpx.AsyncClient, stores: Stores) -> None:
    for tenant in ("default", "others"):
        made = await key(stores, "admin", tenant=tenant)
        answer = await api.post(TASKS, json={**SUM, "tags": [tenant]}, headers={**KEY, **made.headers})
        assert (answer.status_code, answer.json()["tags"]) == (201, [tenant])
        assert "idempotent-replayed" not in answer.headers
    assert await count(stores, "tasks") == 2


async def test_a_refused_request_leaves_its_key_free(api: httpx.AsyncClient) -> None:
    assert_problem(await api.post(TASKS, json={**SUM, "queue": "nowhere"}, headers=KEY), 422, "validation_error")
    assert (await api.post(TASKS, json=SUM, headers=KEY)).status_code == 201


async def test_many_at_once_make_one_task(api: httpx.AsyncClient, stores: Stores) -> None:
    answers = await asyncio.gather(*(api.post(TASKS, json=SUM, headers=KEY) for _ in range(12)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}
    assert len({a.json()["id"] for a in answers if a.status_code == 201}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert_problem(answer, 409, "idempotency_in_flight")
            assert int(answer.headers["retry-after"]) > 0
    assert await count(stores, "tasks") == 1


async def test_while_the_first_runs_a_second_is_told_to_come_back(api: httpx.AsyncClient, stores: Stores) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def create(_: object) -> Answer:
        entered.set()
        await leave.wait()
        return Answer(201, {}, b"{}")

    first = asyncio.create_task(once(stores, 1, KEY["Idempotency-Key"], b"digest", create))
    async with asyncio.timeout(10):
        await entered.wait()
        answer = await api.post(TASKS, json=SUM, headers=KEY)
        leave.set()
        await first
    assert_problem(answer, 409, "idempotency_in_flight")


@pytest.mark.parametrize("key", [b"", b"x" * 256, "é".encode(), b"a\tb"])
@pytest.mark.parametrize(("path", "body"), [(TASKS, SUM), (BATCH, {"tasks": [SUM]})], ids=["task", "batch"])
async def test_a_malformed_key_is_a_400(api: httpx.AsyncClient, path: str, body: dict[str, Any], key: bytes) -> None:
    answer = await api.post(path, json=body, headers={b"Idempotency-Key": key})
    assert_problem(answer, 400, "invalid_idempotency_key")
