"""The routes of queues and workers: what they show, whom they serve, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from service.schemas.queues import PurgeView, QueueList, QueueView
from service.schemas.system import WorkerList, WorkerView
from shared.db.statements import keys as key_statements
from shared.db.statements.keys import StoredKey
from shared.domain.task import NewTask
from shared.queue import queues
from shared.queue.claim import Claimant, claim_next
from shared.queue.keys import keyed_hash
from shared.queue.stores import Stores
from shared.queue.submit import submit
from tests.integration.api.conftest import SUM, assert_problem

Planned = Callable[..., NewTask]
DEMO = "/api/v1/queues/demo_tasks"


async def test_queues_are_listed_whether_or_not_something_waits(
    api: httpx.AsyncClient, stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    await submit(stores, 1, [planned() for _ in range(3)])
    await submit(stores, 1, [planned(delay=60.0), planned(queue="no_longer_served")])
    await claim_next(stores, claimant, 1)
    answer = (await api.get("/api/v1/queues")).json()
    QueueList.model_validate(answer)
    found = {queue["name"]: queue for queue in answer["data"]}
    assert list(found) == ["urgent", "ai_processing", "demo_tasks", "no_longer_served"]
    demo = found["demo_tasks"]
    assert (demo["waiting"], demo["delayed"], demo["running"], demo["paused"]) == (2, 1, 1, False)
    assert demo["oldest_age"] >= 0
    assert (demo["throughput"], demo["is_lower_bound"]) == (0, False)
    assert found["urgent"]["oldest_age"] is None


async def test_pause_and_resume_answer_with_the_queue(
    api: httpx.AsyncClient, stores: Stores, claimant: Claimant
) -> None:
    paused = await api.post(f"{DEMO}/pause")
    assert paused.status_code == 200
    assert QueueView.model_validate(paused.json()).paused
    assert (await api.post(f"{DEMO}/pause", json={})).json()["paused"], "twice is once"
    task = (await api.post("/api/v1/tasks", json=SUM)).json()
    assert await claim_next(stores, claimant, 10) == []
    waiting = (await api.get(task["links"]["self"])).json()
    assert waiting["progress"]["message"] == "Waiting: the queue demo_tasks is paused."
    assert (await api.post(f"{DEMO}/resume")).json()["paused"] is False
    assert [claimed.id for claimed in await claim_next(stores, claimant, 10)] == [UUID(task["id"])]


async def test_a_purge_says_what_it_would_do_and_does_it(api: httpx.AsyncClient) -> None:
    for _ in range(3):
        await api.post("/api/v1/tasks", json=SUM)
    await api.post("/api/v1/tasks", json={**SUM, "queue": "urgent"})
    tried = (await api.delete(f"{DEMO}/tasks?dry_run=true")).json()
    PurgeView.model_validate(tried)
    assert tried == {"queue": "demo_tasks", "dry_run": True, "matched": 3, "cancelled": 0, "has_more": False}
    done = (await api.delete(f"{DEMO}/tasks")).json()
    assert done == {"queue": "demo_tasks", "dry_run": False, "matched": 3, "cancelled": 3, "has_more": False}
    left = (await api.get("/api/v1/tasks?status=PENDING")).json()["data"]
    assert [task["queue"] for task in left] == ["urgent"]


async def test_a_large_purge_ends_in_time_and_says_that_there_is_more(
    api: httpx.AsyncClient, stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "PURGE_BATCH", 4)
    monkeypatch.setattr(queues, "PURGE_SECONDS", 0.000_001)
    await submit(stores, 1, [planned() for _ in range(6)])
    rounds = [(await api.delete(f"{DEMO}/tasks")).json()]
    monkeypatch.setattr(queues, "PURGE_SECONDS", 5.0)
    while rounds[-1]["has_more"]:
        rounds.append((await api.delete(f"{DEMO}/tasks")).json())
    assert len(rounds) > 1
    assert sum(one["cancelled"] for one in rounds) == 6


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "pause"), ("POST", "resume"), ("DELETE", "tasks")],
)
async def test_a_queue_that_is_none_is_not_found(api: httpx.AsyncClient, method: str, path: str) -> None:
    assert_problem(await api.request(method, f"/api/v1/queues/nobody/{path}"), 404, "not_found")
    assert_problem(await api.request(method, f"/api/v1/queues/{'x' * 64}/{path}"), 404, "not_found")
    assert_problem(await api.request(method, f"/api/v1/queues/%00/{path}"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "pause", {"for": 60}),
        ("POST", "resume", {"now": True}),
        ("DELETE", "tasks?dry_run=perhaps", None),
        ("DELETE", "tasks?dryrun=true", None),
        ("DELETE", "tasks", {"dry_run": True}),
        ("POST", "pause?dry_run=true", None),
    ],
)
async def test_what_would_be_ignored_is_refused(api: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    await api.post("/api/v1/tasks", json=SUM)
    assert_problem(await api.request(method, f"{DEMO}/{path}", json=body), 422, "validation_error")
    demo = (await api.get("/api/v1/queues")).json()["data"][2]
    assert (demo["paused"], demo["waiting"]) == (False, 1)


async def test_live_workers_are_listed_and_one_is_drained(
    api: httpx.AsyncClient, stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    [task] = await submit(stores, 1, [planned()])
    await claim_next(stores, claimant, 1)
    answer = (await api.get("/api/v1/workers")).json()
    WorkerList.model_validate(answer)
    [seen] = answer["data"]
    assert (seen["id"], seen["state"], seen["running"]) == (str(claimant.worker_id), "running", [str(task.id)])
    for _ in range(2):
        drained = await api.post(f"/api/v1/workers/{claimant.worker_id}/drain")
        assert drained.status_code == 202
        WorkerView.model_validate(drained.json())
        assert (drained.json()["state"], drained.json()["running"]) == ("draining", [str(task.id)])
    waiting = (await api.post("/api/v1/tasks", json=SUM)).json()
    message = (await api.get(waiting["links"]["self"])).json()["progress"]["message"]
    assert message == "Waiting: no worker is running.", "one that drains takes nothing"


async def test_a_worker_that_is_none_or_dead_is_not_found(
    api: httpx.AsyncClient, stores: Stores, claimant: Claimant
) -> None:
    assert_problem(await api.post(f"/api/v1/workers/{uuid4()}/drain"), 404, "not_found")
    assert_problem(await api.post("/api/v1/workers/me/drain"), 404, "not_found")
    async with stores.db.autocommit() as session:
        await session.execute(text("UPDATE workers SET state = 'dead'"))
    assert_problem(await api.post(f"/api/v1/workers/{claimant.worker_id}/drain"), 404, "not_found")


async def test_only_an_admin_sends_a_worker_away(api: httpx.AsyncClient, stores: Stores, claimant: Claimant) -> None:
    """It serves every tenant; a queue's pause and purge are the tenant's own."""
    secret, headers = "0123456789abcdef", {}
    for scope in ("read", "write", "admin"):
        key = StoredKey(f"{scope}key", 1, frozenset({scope}), keyed_hash(stores.settings, secret))
        async with stores.db.autocommit() as session:
            await key_statements.insert(session, key, name=scope)
        headers[scope] = {"Authorization": f"Bearer trk_{scope}key.{secret}"}
    drain = f"/api/v1/workers/{claimant.worker_id}/drain"
    assert_problem(await api.post(drain, headers=headers["write"]), 403, "forbidden")
    assert (await api.post(drain, headers=headers["admin"])).status_code == 202
    assert_problem(await api.post(f"{DEMO}/pause", headers=headers["read"]), 403, "forbidden")
    assert_problem(await api.delete(f"{DEMO}/tasks?dry_run=true", headers=headers["read"]), 403, "forbidden")
    assert (await api.post(f"{DEMO}/pause", headers=headers["write"])).status_code == 200
    assert (await api.get("/api/v1/queues", headers=headers["read"])).status_code == 200
