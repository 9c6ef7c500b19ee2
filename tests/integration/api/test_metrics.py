"""The metrics page: what the process counted, and how the service stands, over all tenants."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from service.app import build
from service.dependencies import House
from shared.control_group import Memory
from shared.domain.errors import StoreUnavailable
from shared.queue.stores import Stores
from shared.registry import Registry
from shared.settings import Settings
from tests.house.pages import page
from tests.integration.api.conftest import LOOPBACK_URL, SUM, assert_problem
from tests.support.keys import key
from tests.support.stores import registered
from worker.health import metrics_page

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
    assert grew("http_server_errors_total{kind=error}") == grew("http_server_errors_total{kind=unavailable}") == 0
    assert "http_server_errors_total{kind=unavailable}" in before, "from the start, so that the first is seen"


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
    assert found["cleanup_age_seconds{}"] > 0
    assert (found["store_up{store=postgresql}"], found["store_up{store=redis}"]) == (1, 1)
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
    assert (found["store_up{store=postgresql}"], found["store_up{store=redis}"]) == (0, 1)


async def test_what_was_submitted_is_counted_and_what_was_there_already_is_not(api: httpx.AsyncClient) -> None:
    sums = "tasks_submitted_total{queue=demo_tasks,type=simple_calculation}"
    before = (await scraped(api)).get(sums, 0)
    assert (await api.post(TASKS, json=SUM)).status_code == 201
    assert (await api.post(f"{TASKS}/batch", json={"tasks": [SUM] * 4})).status_code == 201
    for _ in range(2):
        repeated = await api.post(TASKS, json=SUM, headers={"Idempotency-Key": "once"})
        assert repeated.status_code == 201
    assert (await scraped(api))[sums] - before == 6


async def test_a_page_does_not_wait_for_a_database_that_is_slow(
    api: httpx.AsyncClient, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.routes.metrics.GAUGE_TURNS", 1)
    async with stores.db.transaction() as session:
        await session.execute(text("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE"))
        found = await scraped(api)
    assert found["store_up{store=postgresql}"] == 0
    assert "queue_waiting{queue=demo_tasks}" not in found


async def test_every_metric_is_documented_and_every_documented_metric_is_there(
    settings: Settings, stores: Stores, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.metrics.memory", lambda: Memory(used=1, limit=2))
    public = settings.model_copy(update={"metrics_public": True, "expected_workers": 3})
    app = build(public, registry)
    app.state.house = House(stores, registry, public)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL) as anybody:
        of_api = (await anybody.get("/metrics")).text
    worker: Any = SimpleNamespace(
        stores=stores,
        executions=SimpleNamespace(running=0),
        info=SimpleNamespace(concurrency=1),
        pump=SimpleNamespace(is_held=False),
    )
    of_worker = (await metrics_page(worker)).decode()
    told = set(re.findall(r"^# TYPE taskrunner_(\w+) ", of_api + of_worker, re.MULTILINE))
    documented = {name for row in page("docs/metrics.md").rows for name in re.findall(r"`(\w+)`", row[0])}
    assert documented == told
