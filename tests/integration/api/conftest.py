"""The API over real stores, called in-process: what needs a socket starts one itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from service.app import build
from service.dependencies import House
from shared.queue.stores import Stores
from shared.registry import Registry, discover
from shared.settings import Settings
from tests.integration.api.documented import Document

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
