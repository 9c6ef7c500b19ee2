"""Webhooks at the door: which callbacks are taken, what is told of deliveries, and who may read the secret."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from service.app import build
from service.dependencies import House
from service.schemas.webhooks import DeliveryPage
from shared.db.statements import keys as statements
from shared.db.statements.keys import StoredKey
from shared.domain.task import DEFAULT_TENANT
from shared.domain.webhooks import Attempted
from shared.queue.keys import keyed_hash
from shared.queue.stores import Stores
from shared.queue.webhooks import claim, record
from shared.registry import Registry
from shared.settings import Settings
from tests.integration.api.conftest import LOOPBACK_URL, SUM, assert_problem
from tests.integration.api.documented import Document

URL = "https://hooks.example/tasks"
SECRET = "0123456789abcdef"


async def ended(api: httpx.AsyncClient, **given: Any) -> str:
    """A task that was cancelled, and is to be told to ``URL``."""
    task_id: str = (await api.post("/api/v1/tasks", json={**SUM, "callback_url": URL, **given})).json()["id"]
    assert (await api.post(f"/api/v1/tasks/{task_id}/cancel")).status_code == 200
    return task_id


async def deliveries(api: httpx.AsyncClient, task_id: str) -> list[dict[str, Any]]:
    answer = await api.get(f"/api/v1/tasks/{task_id}/deliveries")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_a_tasks_deliveries_are_listed_with_their_attempts(api: httpx.AsyncClient, stores: Stores) -> None:
    task_id = await ended(api)
    [waiting] = await deliveries(api, task_id)
    assert (waiting["state"], waiting["type"], waiting["url"]) == ("waiting", "task.cancelled", URL)
    [held] = await claim(stores, most=1)
    await record(stores, held, Attempted(204, None, 0.2))
    [delivered] = await deliveries(api, task_id)
    assert (delivered["id"], delivered["state"], delivered["due_at"]) == (waiting["id"], "delivered", None)
    assert [(a["status"], a["duration"]) for a in delivered["attempts"]] == [(204, 0.2)]


async def test_deliveries_of_all_tasks_are_listed_newest_first_and_by_state(
    api: httpx.AsyncClient, stores: Stores
) -> None:
    tasks = [await ended(api) for _ in range(5)]
    for status in (204, 410):  # the oldest two
        [held] = await claim(stores, most=1)
        await record(stores, held, Attempted(status, None, 0.2))
    listed = (await api.get("/api/v1/deliveries")).json()
    assert DeliveryPage.model_validate(listed).next_cursor is None
    assert [one["task"] for one in listed["data"]] == tasks[::-1]
    seen: list[str] = []
    page = "/api/v1/deliveries?limit=2&state=waiting&state=gone&state=gone"
    while page:
        answer = await api.get(page)
        seen += [one["state"] for one in answer.json()["data"]]
        page = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == ["waiting", "waiting", "waiting", "gone"]
    assert (await api.get("/api/v1/deliveries?state=failed")).json() == {"data": [], "next_cursor": None}


async def test_a_list_of_deliveries_is_asked_for_in_the_right_words(api: httpx.AsyncClient) -> None:
    path = "/api/v1/deliveries"
    assert_problem(await api.get(f"{path}?state=lost"), 422, "validation_error", "state")
    assert_problem(await api.get(f"{path}?limit=201"), 422, "validation_error", "limit")
    assert_problem(await api.get(f"{path}?cursor=AAAA"), 400, "invalid_cursor")


async def test_a_task_without_a_callback_has_no_deliveries(api: httpx.AsyncClient) -> None:
    assert await deliveries(api, await ended(api, callback_url=None)) == []
    assert_problem(await api.get(f"/api/v1/tasks/{uuid4()}/deliveries"), 404, "not_found")


async def test_each_task_of_a_batch_may_have_its_callback(api: httpx.AsyncClient) -> None:
    tasks = [{**SUM, "callback_url": URL}, SUM, {**SUM, "callback_url": f"{URL}/2"}]
    made = (await api.post("/api/v1/tasks/batch", json={"tasks": tasks})).json()["data"]
    for task in made:
        await api.post(f"/api/v1/tasks/{task['id']}/cancel")
    assert [[d["url"] for d in await deliveries(api, t["id"])] for t in made] == [[URL], [], [f"{URL}/2"]]
    bad = {"tasks": [SUM, {**SUM, "callback_url": "https://10.0.0.1/"}]}
    assert_problem(await api.post("/api/v1/tasks/batch", json=bad), 422, "validation_error", "/tasks/1/callback_url")


async def test_a_replay_is_due_at_once_and_refused_while_one_is_under_way(
    api: httpx.AsyncClient, stores: Stores
) -> None:
    [waiting] = await deliveries(api, await ended(api))
    path = f"/api/v1/deliveries/{waiting['id']}/replay"
    [held] = await claim(stores, most=1)
    assert_problem(await api.post(path), 409, "conflict")
    await record(stores, held, Attempted(410, None, 0.2))
    replayed = await api.post(path)
    assert (replayed.status_code, replayed.json()["id"], replayed.json()["state"]) == (200, waiting["id"], "waiting")
    assert [UUID(waiting["id"])] == [delivery.id for delivery in await claim(stores, most=1)]
    assert_problem(await api.post(f"/api/v1/deliveries/{uuid4()}/replay"), 404, "not_found")


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example/", "https://localhost/", "https://169.254.169.254/", "https://[::1]/", "https://0x7f.1/",
     "https://u@hooks.example/", "ftp://hooks.example/", "hooks.example", "https://", "https://x.localhost./",
     "https://2130706433/", "https://hooks.example:99999/", "https://ho oks.example/"],
)  # fmt: skip
async def test_a_callback_that_can_never_be_reached_is_refused(api: httpx.AsyncClient, url: str) -> None:
    answer = await api.post("/api/v1/tasks", json={**SUM, "callback_url": url})
    problem = assert_problem(answer, 422, "validation_error", "/callback_url")
    assert len(problem["errors"]) == 1


async def test_a_secret_is_kept_until_it_is_rotated(api: httpx.AsyncClient) -> None:
    first = await api.get("/api/v1/webhooks/secret")
    assert first.headers["cache-control"] == "no-store"
    assert (await api.get("/api/v1/webhooks/secret")).json() == first.json()
    rotated = (await api.post("/api/v1/webhooks/secret/rotate")).json()
    assert [previous["secret"] for previous in rotated["previous"]] == [first.json()["secret"]]
    assert (await api.get("/api/v1/webhooks/secret")).json() == rotated
    for _ in range(3):
        await api.post("/api/v1/webhooks/secret/rotate")
    assert_problem(await api.post("/api/v1/webhooks/secret/rotate"), 409, "conflict")


async def test_only_an_admin_reads_the_secret(api: httpx.AsyncClient, stores: Stores) -> None:
    scopes = {"read": 403, "write": 403, "admin": 200}
    async with stores.db.autocommit() as session:
        for scope in scopes:
            hashed = keyed_hash(stores.settings, SECRET)
            key = StoredKey(f"{scope}key", DEFAULT_TENANT, frozenset({scope}), hashed)
            await statements.insert(session, key, name=scope)
    for scope, status in scopes.items():
        headers = {"Authorization": f"Bearer trk_{scope}key.{SECRET}"}
        assert (await api.get("/api/v1/webhooks/secret", headers=headers)).status_code == status
        assert (await api.post("/api/v1/webhooks/secret/rotate", headers=headers)).status_code == status


async def test_without_a_secret_key_nothing_is_signed_and_so_nothing_promised(
    settings: Settings, stores: Stores, registry: Registry, document: Document
) -> None:
    keyless = settings.model_copy(update={"secret_key": None})
    app: FastAPI = build(keyless, registry)
    app.state.house = House(stores, registry, keyless)
    transport = httpx.ASGITransport(app)
    hooks = {"response": [document.knows]}
    async with httpx.AsyncClient(transport=transport, base_url=LOOPBACK_URL, event_hooks=hooks) as api:
        refused = await api.post("/api/v1/tasks", json={**SUM, "callback_url": URL})
        assert_problem(refused, 422, "not_available", "/callback_url")
        assert_problem(await api.get("/api/v1/webhooks/secret"), 422, "not_available")
        assert (await api.post("/api/v1/tasks", json=SUM)).status_code == 201
