"""Budgets of keys over the API, and over several processes that count together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import httpx
import pytest
import pytest_asyncio

from service.app import build
from service.dependencies import House
from service.rate_limits import WINDOW_SECONDS, RateLimits
from shared.queue.stores import Stores
from shared.registry import Registry
from shared.settings import Settings
from tests.integration.api.conftest import LOOPBACK_URL, SUM, assert_problem
from tests.integration.api.documented import Document
from tests.support.keys import key

TASKS = "/api/v1/tasks"
NOW = 1_700_000_003.0


@pytest.fixture(autouse=True)
def clocks_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No window begins in the middle of a test."""

    async def redis_seconds(_: object) -> float:
        return NOW

    monkeypatch.setattr("shared.broker.rates.redis_seconds", redis_seconds)
    monkeypatch.setattr("service.app.RateLimits", partial(RateLimits, clock=lambda: 0.0))


@pytest_asyncio.fixture
async def limited(
    settings: Settings, stores: Stores, registry: Registry, document: Document
) -> AsyncIterator[httpx.AsyncClient]:
    """An API that gives each key ten requests a window."""
    slow = settings.model_copy(update={"rate_limit": 1})
    app = build(slow, registry)
    app.state.house = House(stores, registry, slow)
    hooks = {"response": [document.knows]}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=LOOPBACK_URL, event_hooks=hooks) as client:
        yield client


async def test_who_asks_too_often_is_told_when_to_go_on(limited: httpx.AsyncClient, stores: Stores) -> None:
    one, other = await key(stores, "admin"), await key(stores, "read")
    left = []
    for path in [TASKS, "/api/v1/nothing", f"{TASKS}/x", "/health", *[TASKS] * 5]:
        answer = await limited.get(path, headers=one.headers)
        assert answer.headers["ratelimit-policy"] == '"key";q=10;w=10'
        left.append(int(answer.headers["ratelimit"].partition("r=")[2].partition(";")[0]))
    assert left == list(range(9, 0, -1)), "whatever the answer is"
    assert (await limited.post(TASKS, json=SUM, headers=one.headers)).status_code == 201
    refused = await limited.post(TASKS, json=SUM, headers=one.headers)
    assert_problem(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= WINDOW_SECONDS
    assert refused.headers["ratelimit"].startswith('"key";r=0;t=')
    assert (await limited.get(TASKS, headers=other.headers)).status_code == 200
    for path in ("/health/live", "/health/ready"):
        assert "ratelimit" not in (await limited.get(path, headers=one.headers)).headers
    assert len((await limited.get(TASKS, headers=other.headers)).json()["data"]) == 1, "a refused one does nothing"


async def test_without_a_limit_nothing_is_said_of_one(api: httpx.AsyncClient, stores: Stores) -> None:
    made = await key(stores, "read")
    for _ in range(20):
        answer = await api.get(TASKS, headers=made.headers)
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers


def left_in(rates: RateLimits) -> int:
    headers, _ = rates.take("abcd")
    return int(headers[1][1].partition(b"r=")[2].partition(b";")[0])


async def test_processes_count_together(stores: Stores) -> None:
    here, there = (RateLimits(1, clock=lambda: 0.0) for _ in range(2))
    for rates in (here, there):
        rates._ahead = NOW
    assert [left_in(here) for _ in range(4)] == [9, 8, 7, 6]
    assert left_in(there) == 9, "nothing was exchanged so far"
    await here.exchange(stores)
    await there.exchange(stores)
    assert left_in(there) == 4
    assert left_in(here) == 5, "it knows of itself alone, until it has something to tell"
    await here.exchange(stores)
    assert left_in(here) == 3
    [name] = await stores.broker.results.keys("rate:*")
    assert 0 < await stores.broker.results.ttl(name) <= 2 * WINDOW_SECONDS


async def test_without_redis_each_process_counts_alone(stores: Stores) -> None:
    rates = RateLimits(1, clock=lambda: 0.0)
    assert left_in(rates) == 9
    stores.broker.trip()
    await rates.exchange(stores)
    assert left_in(rates) == 8
