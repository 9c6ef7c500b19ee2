"""Keys at the door of the whole API."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from service.app import build
from service.schemas.answer_headers import ANSWER_HEADERS
from shared.db.statements import keys as statements
from shared.db.statements.keys import StoredKey
from shared.queue.keys import keyed_hash
from shared.queue.stores import Stores
from shared.registry import Registry
from shared.settings import Settings
from tests.integration.api.conftest import LOOPBACK_URL, SUM, assert_problem

SECRET = "0123456789abcdef0123456789abcdef"
TASKS = "/api/v1/tasks"


@pytest_asyncio.fixture
async def keys(stores: Stores, settings: Settings) -> dict[str, dict[str, str]]:
    """A key per scope, as headers."""
    made = {}
    for scope in ("read", "write", "admin"):
        key = StoredKey(f"{scope}key", 1, frozenset({scope}), keyed_hash(settings, SECRET))
        async with stores.db.autocommit() as session:
            assert await statements.insert(session, key, name=scope)
        made[scope] = {"Authorization": f"Bearer trk_{scope}key.{SECRET}"}
    return made


@pytest_asyncio.fixture
async def far(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A caller from elsewhere."""
    transport = httpx.ASGITransport(app, client=("203.0.113.9", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
        yield client


async def test_absent_and_wrong_keys_get_one_answer(api: httpx.AsyncClient, keys: dict[str, dict[str, str]]) -> None:
    wrong = [None, "Bearer nonsense", f"Bearer trk_nokey.{SECRET}", f"Bearer trk_readkey.{SECRET[::-1]}", "Basic eDp5"]
    seen = set()
    for authorization in wrong:
        answer = await api.get(TASKS, headers={"Authorization": authorization} if authorization else {})
        problem = assert_problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
        seen.add((problem["title"], problem["detail"]))
    assert len(seen) == 1


async def test_a_key_serves_from_anywhere_within_its_scope(
    far: httpx.AsyncClient, keys: dict[str, dict[str, str]]
) -> None:
    assert_problem(await far.post(TASKS, json=SUM, headers=keys["read"]), 403, "forbidden")
    created = await far.post(TASKS, json=SUM, headers=keys["write"])
    assert created.status_code == 201
    path = created.headers["location"]
    assert (await far.get(path, headers=keys["read"])).status_code == 200
    assert_problem(await far.get(path, headers=keys["write"]), 403, "forbidden")
    assert_problem(await far.post(f"{path}/cancel", headers=keys["read"]), 403, "forbidden")
    assert (await far.post(f"{path}/cancel", headers=keys["admin"])).status_code == 200
    assert_problem(await far.get("/health"), 401, "unauthorized")
    assert (await far.get("/health", headers=keys["read"])).status_code == 200
    for open_path in ("/docs", "/openapi.json", "/health/live", "/health/ready"):
        assert (await far.get(open_path)).status_code == 200


async def test_without_keys_a_far_caller_is_refused(far: httpx.AsyncClient) -> None:
    assert_problem(await far.post(TASKS, json=SUM), 403, "anonymous_not_allowed")


@pytest.mark.parametrize("origin", ["https://app.example", "https://evil.example"])
async def test_only_configured_origins_are_told_yes(
    settings: Settings, registry: Registry, app: FastAPI, origin: str
) -> None:
    configured = build(settings.model_copy(update={"cors_origins": ("https://app.example",)}), registry)
    configured.state.house = app.state.house
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for one, allowed in ((configured, origin == "https://app.example"), (app, False)):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(one), base_url=LOOPBACK_URL) as client:
            preflight = await client.options(TASKS, headers=headers)
            missing = await client.get("/nowhere", headers={"Origin": origin})
        expected = origin if allowed else None
        assert preflight.headers.get("access-control-allow-origin") == expected
        assert missing.headers.get("access-control-allow-origin") == expected
        assert missing.status_code == 404


async def test_a_page_of_a_configured_origin_may_read_whatever_header_is_documented(
    settings: Settings, registry: Registry, app: FastAPI
) -> None:
    configured = build(settings.model_copy(update={"cors_origins": ("https://app.example",)}), registry)
    configured.state.house = app.state.house
    async with httpx.AsyncClient(transport=httpx.ASGITransport(configured), base_url=LOOPBACK_URL) as client:
        answer = await client.get("/health/live", headers={"Origin": "https://app.example"})
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed == set(ANSWER_HEADERS)
