"""The metrics page: what the process counted, and how the service stands, over all tenants."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.app import build
from service.dependencies import House
from shared.domain.errors import StoreUnavailable
from shared.queue.stores import Stores
from shared.registry import Registry
from shared.settings import Settings
from tests.integration.api.conftest import LOOPBACK_URL, SUM, assert_problem
from tests.support.keys import key
from tests.support.stores import registered

TASKS = "/api/v1/tasks"


async def scraped(api: httpx.AsyncClient, **given: Any) -> dict[str, float]:
    """Samples by name and labels, as ``name{label=value}``."""
    answer = await api.get("/metrics", **given)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.text)
    return {
        s.name.removeprefix("taskrunner_")
        + "{"
        + ",".join(f"{n}={v}" for n, v in sorted(s.labels.items()))
        + "}": s.value
        for family in families
        for s in family.samples
    }


async def test_requests_are_counted_by_the_path_of_their_route(api: httpx.AsyncClient) -> None:
    before = await scraped(api)
    for _ in range(2):
        await api.post(TASKS, json=SUM)
    created = await api.post(TASKS, json=SUM)
    await api.get(created.headers["location"])
    await api.get(f"{TASKS}/nothing")
    await api.get("/nowhere/at/all")
    after = await scraped(api)

    def grew(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grew("http_requests_total{method=POST,route=/api/v1/tasks,status=201}") == 3
    assert grew("http_requests_total{method=GET,route=/api/v1/tasks/{task_id},status=200}") == 1
    assert grew("http_requests_total{method=GET,route=/api/v1/tasks/{task_id},status=404}") == 1
    assert grew("http_requests_total{method=GET,route=,status=404}") == 1
    assert grew("http_request_seconds_count{method=POST,route=/api/v1/tasks}") == 3
    assert not any("nothing" in name or "nowhere" in name for name in after)


async def test_the_queues_of_all_tenants_stand_on_one_page(api: httpx.AsyncClient, stores: Stores) -> None:
    await registered(stores)
    ours, theirs = await key(stores, "admin"), await key(stores, "admin", tenant="others")
    for who in (ours, theirs):
        assert (await api.post(TASKS, json=SUM, headers=who.headers)).status_code == 201
    delayed = await api.post(TASKS, json={**SUM, "delay": 3_600, "queue": "urgent"}, headers=ours.headers)
    assert delayed.status_code == 201
    found = await scraped(api, headers=ours.headers)
    assert found["queue_waiting{queue=demo_tasks}"] == 2
    assert found["queue_oldest_age_seconds{queue=demo_tasks}"] > 0
    assert (found["queue_waiting{queue=urgent}"], found["queue_delayed{queue=urgent}"]) == (0, 1)
    assert found["queue_running{queue=demo_tasks}"] == 0
    assert found["webhooks_due{}"] == 0
    assert found["workers_alive{}"] == 1
    assert "workers_expected{}" not in found
    assert 0 <= found["db_pool_connections{state=used}"] <= found["db_pool_connections{state=most}"]


async def test_a_key_is_needed_unless_the_page_is_public_and_without_postgresql_the_rest_is_told(
    api: httpx.AsyncClient,
    settings: Settings,
    stores: Stores,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = await key(stores, "write")
    assert_problem(await api.get("/metrics"), 401, "unauthorized")
    assert_problem(await api.get("/metrics", headers=writer.headers), 403, "forbidden")
    public = settings.model_copy(update={"metrics_public": True, "expected_workers": 3})
    app = build(public, registry)
    app.state.house = House(stores, registry, public)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL) as anybody:
        assert (await scraped(anybody))["workers_expected{}"] == 3

        async def away(*_: object) -> None:
            raise StoreUnavailable

        monkeypatch.setattr("service.routes.metrics.read_gauges", away)
        found = await scraped(anybody)
    assert "workers_alive{}" not in found
    assert found["store_up{store=redis}"] == 1
