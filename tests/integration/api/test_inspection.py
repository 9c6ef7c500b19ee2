"""Statistics of a window, and the settings in force."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text

from service.schemas.inspection import ConfigView, StatsView, ThroughputView
from shared.broker.clock import redis_seconds
from shared.broker.keys import throughput_key
from shared.db.statements import keys as key_statements
from shared.db.statements.keys import StoredKey
from shared.domain.verdict import TaskError, completed, failed
from shared.queue.claim import Claimant, claim_next
from shared.queue.keys import keyed_hash
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from shared.settings import Settings
from tests.integration.api.conftest import SUM, assert_problem

ERROR = TaskError("ValueError", "bad", retryable=False)


async def test_stats_tell_how_tasks_of_the_window_ended(
    api: httpx.AsyncClient, stores: Stores, claimant: Claimant
) -> None:
    for queue in ("demo_tasks", "demo_tasks", "demo_tasks", "urgent"):
        await api.post("/api/v1/tasks", json={**SUM, "queue": queue})
    runs = await claim_next(stores, claimant, 3)
    verdicts = [completed("1"), completed("1"), failed(ERROR)]
    await settle(stores, [Settlement(1, r.id, r.lease, v, None) for r, v in zip(runs, verdicts, strict=True)])
    answer = (await api.get("/api/v1/stats?window=600")).json()
    stats = StatsView.model_validate(answer)
    assert (stats.window, stats.total.submitted, stats.total.completed, stats.total.failed) == (600, 4, 2, 1)
    assert stats.total.rate == pytest.approx(4 / 600, rel=1e-3)
    assert stats.total.success_share == pytest.approx(2 / 3, rel=1e-3)
    assert [(row.type, row.queue) for row in stats.data] == [
        ("simple_calculation", "demo_tasks"),
        ("simple_calculation", "urgent"),
    ]
    for row in stats.data:
        assert row.wait.p50 is not None
        assert row.wait.p99 is not None
        assert 0 <= row.wait.p50 <= row.wait.p99


async def test_what_was_created_before_the_window_does_not_count(api: httpx.AsyncClient, stores: Stores) -> None:
    await api.post("/api/v1/tasks", json=SUM)
    async with stores.db.autocommit() as session:
        await session.execute(text("UPDATE tasks SET created_at = created_at - interval '2 minutes'"))
    answer = (await api.get("/api/v1/stats?window=60")).json()
    assert (answer["total"]["submitted"], answer["total"]["success_share"], answer["data"]) == (0, None, [])
    assert (await api.get("/api/v1/stats")).json()["total"]["submitted"] == 1


@pytest.mark.parametrize("window", ["0", "-1", "x", "2678401", "1.5"])
async def test_a_window_that_is_none_is_refused(api: httpx.AsyncClient, window: str) -> None:
    assert_problem(await api.get(f"/api/v1/stats?window={window}"), 422, "validation_error", "window")


async def test_throughput_is_told_by_the_minute(api: httpx.AsyncClient, stores: Stores) -> None:
    now = await redis_seconds(stores.broker)
    assert now is not None
    bucket = (int(now // 60) * 60 - 60) // 10
    await stores.broker.results.set(throughput_key(1, "demo_tasks", bucket), 30, ex=60)
    answer = (await api.get("/api/v1/stats/throughput")).json()
    told = ThroughputView.model_validate(answer)
    assert (told.step, len(told.data)) == (60, 60)
    assert [(minute.ended, minute.rate) for minute in told.data if minute.ended] == [(30, 0.5)]


async def test_settings_are_shown_without_their_secrets(api: httpx.AsyncClient, settings: Settings) -> None:
    answer = await api.get("/api/v1/config")
    data = ConfigView.model_validate(answer.json()).data
    assert data["TASKRUNNER_SECRET_KEY"] == "********"
    assert data["TASKRUNNER_BOOTSTRAP_KEY"] is None
    assert data["TASKRUNNER_CONCURRENCY"] == settings.concurrency
    assert data["DATABASE_URL"].startswith("postgresql+asyncpg://")
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() not in answer.text


async def test_only_an_admin_sees_them(api: httpx.AsyncClient, stores: Stores) -> None:
    secret, headers = "0123456789abcdef", {}
    for scope in ("read", "write", "admin"):
        key = StoredKey(f"{scope}key", 1, frozenset({scope}), keyed_hash(stores.settings, secret))
        async with stores.db.autocommit() as session:
            await key_statements.insert(session, key, name=scope)
        headers[scope] = {"Authorization": f"Bearer trk_{scope}key.{secret}"}
    for scope in ("read", "write"):
        assert_problem(await api.get("/api/v1/config", headers=headers[scope]), 403, "forbidden")
    assert (await api.get("/api/v1/config", headers=headers["admin"])).status_code == 200
    assert (await api.get("/api/v1/stats", headers=headers["read"])).status_code == 200
