"""The routes about the system itself, the OpenAPI document and its page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from service.dependencies import House
from service.schemas.system import HealthView, ReadyView, TaskTypeList, WorkerList
from shared.domain.worker import WorkerInfo
from shared.queue import queues
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.queue.workers import register
from shared.registry import Registry
from shared.settings import Settings
from tests.integration.api.conftest import SUM, assert_problem
from tests.support.processes import Processes
from tests.support.servers import Servers

NOBODY = "127.0.0.1:9"  # the discard port: nothing listens


async def test_task_types_come_with_their_schemas(api: httpx.AsyncClient, registry: Registry) -> None:
    answer = (await api.get("/api/v1/task-types")).json()
    TaskTypeList.model_validate(answer)
    by_name = {view["name"]: view for view in answer["data"]}
    assert set(by_name) == set(registry.types)
    sums = by_name["simple_calculation"]
    assert set(sums["input_schema"]["properties"]) == {"a", "b", "operation"}
    assert sums["output_schema"]["properties"]
    assert sums["retry"]["kind"] == "by_error"
    assert (sums["concurrency"], sums["rate"]) == (None, None)


async def test_live_workers_are_listed(api: httpx.AsyncClient, stores: Stores) -> None:
    assert (await api.get("/api/v1/workers")).json() == {"data": []}
    shown: dict[str, Any] = {"hostname": "h", "pid": 7, "state": "running", "concurrency": 3, "version": "1"}
    shown |= {"types": ["x"], "missing": {"y": "an extra"}}
    pool: dict[str, Any] = {"pool_size": 1, "pool_overflow": 2}
    made: dict[str, Any] = {"id": uuid4(), "queues": ["urgent"], "started_at": datetime.now(UTC), "heartbeat_age": 0.0}
    worker = WorkerInfo(**made, **shown, **pool)
    await register(stores, worker)
    answer = (await api.get("/api/v1/workers")).json()
    WorkerList.model_validate(answer)
    [seen] = answer["data"]
    assert {name: seen[name] for name in shown} == shown
    assert seen["pool"] == {"size": 1, "overflow": 2}
    assert (seen["id"], seen["queues"], seen["running"]) == (str(worker.id), ["urgent"], [])


async def test_health_says_what_it_stands_on(api: httpx.AsyncClient, stores: Stores, planned: Any) -> None:
    await submit(stores, 1, [planned(), planned()])
    assert (await api.get("/health/live")).json() == {"status": "ok"}
    ready = (await api.get("/health/ready")).json()
    ReadyView.model_validate(ready)
    assert ready["status"] == "ok"
    health = (await api.get("/health")).json()
    HealthView.model_validate(health)
    assert health["workers"] == {"seen": 0, "expected": None}
    assert health["queues"]["demo_tasks"]["waiting"] == 2


async def test_health_looks_at_no_more_of_a_backlog_than_it_must(
    api: httpx.AsyncClient, stores: Stores, planned: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "MOST_COUNTED", 2)
    await submit(stores, 1, [planned() for _ in range(3)])
    await submit(stores, 1, [planned(queue="urgent"), planned(queue="ai_processing", delay=60.0)])
    told = (await api.get("/health")).json()["queues"]
    assert {name: (queue["waiting"], queue["is_lower_bound"]) for name, queue in told.items()} == {
        "demo_tasks": (2, True),
        "urgent": (1, False),
    }
    assert all(queue["oldest_age"] >= 0 for queue in told.values())


async def test_without_redis_the_api_serves_degraded(app: FastAPI, api: httpx.AsyncClient, settings: Settings) -> None:
    away = {"redis_url": f"redis://{NOBODY}/0", "redis_result_url": f"redis://{NOBODY}/1"}
    alone = Settings(_env_file=None, **{**settings.model_dump(), **away})
    async with Stores(alone, pool_size=2, overflow=2, application="tests") as stores:
        app.state.house = House(stores, app.state.house.registry, alone)
        ready = await api.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        created = await api.post("/api/v1/tasks", json=SUM)
        assert created.status_code == 201
        assert (await api.get(created.headers["location"])).status_code == 200
        assert (await api.post(created.json()["links"]["cancel"])).status_code == 200


@pytest.mark.parametrize("path", ["/health/ready", "/health", "/api/v1/tasks", "/api/v1/tasks/x"])
async def test_without_postgresql_the_answer_is_503_never_404(
    app: FastAPI, api: httpx.AsyncClient, settings: Settings, path: str
) -> None:
    away = {"database_url": f"postgresql+asyncpg://x:x@{NOBODY}/x"}
    alone = Settings(_env_file=None, **{**settings.model_dump(), **away})
    async with Stores(alone, pool_size=2, overflow=2, application="tests") as stores:
        app.state.house = House(stores, app.state.house.registry, alone)
        answer = await api.get(path)
        assert (await api.get("/health/live")).status_code == 200
    if path.startswith("/health"):
        assert (answer.status_code, answer.json()["components"]["database"]["status"]) == (503, "down")
    else:
        assert_problem(answer, 503, "store_unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_database_without_our_schema_is_not_ready(
    app: FastAPI, api: httpx.AsyncClient, settings: Settings, servers: Servers
) -> None:
    with servers.lend_database(migrated=False) as url:
        bare = Settings(_env_file=None, **{**settings.model_dump(), "database_url": url})
        async with Stores(bare, pool_size=2, overflow=2, application="tests") as stores:
            app.state.house = House(stores, app.state.house.registry, bare)
            ready = await api.get("/health/ready")
    assert (ready.status_code, ready.json()["components"]["database"]["status"]) == (503, "not_migrated")


async def test_the_reference_works_offline_and_runs_nothing_inline(api: httpx.AsyncClient) -> None:
    page = await api.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "/docs/docs.js" in linked
    for path in linked:
        assert path.startswith("/"), path
        assert (await api.get(path)).status_code == 200, path
    assert not re.search(r"<script>|<style>|\son\w+=|style=", page.text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|eval\(|https?://", (await api.get("/docs/docs.js")).text)


async def test_a_wrong_setting_ends_the_process_with_one_line(processes: Processes) -> None:
    for env, name in (
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ({"TASKRUNNER_CONCURRENCY": "many"}, "TASKRUNNER_CONCURRENCY"),
        ({"TASKRUNNER_TASK_MODULES": "no.such.module"}, "no.such.module"),
        ({"TASKRUNNER_BOOTSTRAP_KEY": "short", "TASKRUNNER_SECRET_KEY": "s"}, "TASKRUNNER_BOOTSTRAP_KEY"),
    ):
        child = processes.api(0, env)
        assert await child.wait() == 2
        assert len(child.lines) == 1, child.output
        assert name in child.lines[0]


async def test_the_process_serves_as_production_runs_it(processes: Processes, settings: Settings) -> None:
    bootstrap = "trk_boot.0123456789abcdef"
    child = processes.api(
        0,
        {
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "REDIS_RESULT_URL": settings.result_url,
            "TASKRUNNER_SECRET_KEY": "s",
            "TASKRUNNER_BOOTSTRAP_KEY": bootstrap,
            "TASKRUNNER_STORAGE_DIR": str(settings.storage_dir),
        },
    )
    url = (await child.wait_for_line(r"running on (http://127\.0\.0\.1:\d+)"))[1]
    await child.wait_for_http(f"{url}/health/ready")
    headers = {"Authorization": f"Bearer {bootstrap}"}
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert_problem(await client.post("/api/v1/tasks", json=SUM), 401, "unauthorized")
        created = await client.post("/api/v1/tasks", json=SUM, headers=headers)
        assert created.status_code == 201
    assert bootstrap.partition(".")[2] not in child.output
