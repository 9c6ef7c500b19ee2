"""The API over real stores, called in-process: what needs a socket starts one itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from service.app import build
from service.dependencies import House
from shared.domain.operations import BulkAction, Selection
from shared.domain.task import NewTask
from shared.queue.bulk import begin
from shared.queue.claim import Claimant
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.registry import Registry, discover
from shared.settings import Settings
from tests.integration.api.documented import Document
from tests.integration.api.lives import Life
from tests.integration.api.served import served
from tests.support.keys import Made, key
from tests.support.stores import registered

LOOPBACK_URL = "http://127.0.0.1:8000"
SUM: dict[str, Any] = {"type": "simple_calculation", "input": {"a": 2, "b": 3, "operation": "add"}}


@pytest.fixture(scope="session")
def registry() -> Registry:
    return discover()


@pytest.fixture
def app(settings: Settings, stores: Stores, registry: Registry) -> FastAPI:
    """The application, standing on the test's stores."""
    app = build(settings, registry)
    app.state.house = House(stores, registry, settings)
    return app


@pytest.fixture(scope="session")
def document(registry: Registry) -> Document:
    return Document(build(Settings(_env_file=None), registry).openapi())


@pytest_asyncio.fixture
async def api(app: FastAPI, document: Document) -> AsyncIterator[httpx.AsyncClient]:
    """A caller on loopback, without a key, who holds every answer against the OpenAPI document."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL, event_hooks={"response": [document.knows]}
    ) as client:
        yield client


@pytest_asyncio.fixture
async def admin(stores: Stores) -> Made:
    return await key(stores, "admin")


@pytest_asyncio.fixture
async def theirs(api: httpx.AsyncClient, stores: Stores, admin: Made) -> dict[str, str]:
    """One of everything that belongs to the tenant ``default``, by the name that paths give it."""
    worker = await registered(stores)

    async def made(path: str, **body: Any) -> Any:
        answer = await api.post(f"/api/v1/{path}", headers=admin.headers, **body)
        assert answer.is_success, answer.text
        return answer.json()

    task = await made("tasks", json={**SUM, "callback_url": "https://hooks.example/"})
    await made(f"tasks/{task['id']}/cancel")
    [delivery] = (await api.get(f"/api/v1/tasks/{task['id']}/deliveries", headers=admin.headers)).json()["data"]
    await made("queues/demo_tasks/pause")
    async with stores.db.autocommit() as session:  # begun, and with no worker to go on with it
        chosen = Selection(ids=(UUID(task["id"]),))
        operation = await begin(session, admin.tenant_id, BulkAction.CANCEL, chosen)
    return {
        "task_id": task["id"],
        "file_id": (await made("files", files={"file": ("theirs.txt", b"theirs")}))["id"],
        "schedule_id": (await made("schedules", json={"name": "theirs", "every": 3_600, **SUM}))["id"],
        "workflow_id": (await made("workflows", json={"tasks": {"a": SUM}}))["id"],
        "delivery_id": delivery["id"],
        "key_id": (await made("keys", json={"name": "theirs", "scopes": ["read"]}))["id"],
        "operation_id": str(operation.id),
        "queue": "demo_tasks",
        "worker_id": str(worker.worker_id),
    }


def assert_problem(answer: httpx.Response, status: int, code: str, pointer: str | None = None) -> dict[str, Any]:
    """The answer is a problem document as the contract wants it."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code, problem
    assert problem["status"] == status
    assert problem["type"] == f"urn:taskrunner:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == answer.request.url.raw_path.decode().partition("?")[0]
    assert problem["request_id"] == answer.headers["x-request-id"]
    if pointer is not None:
        assert pointer in {error["pointer"] for error in problem["errors"]}, problem
    return problem


@pytest_asyncio.fixture
async def url(app: FastAPI) -> AsyncIterator[str]:
    """The application behind a real socket."""
    async with served(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture
async def life(stores: Stores, claimant: Claimant, planned: Callable[..., NewTask]) -> Life:
    """A task that waits, to be lived by hand."""
    [task] = await submit(stores, 1, [planned()])
    return Life(stores, claimant, task.id)
