"""Fixtures over the real stores: settings that point at them, open ``Stores``, and planned tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy import text

from shared.domain.ids import new_id
from shared.domain.task import NewTask
from shared.domain.worker import WorkerInfo
from shared.queue.claim import Claimant
from shared.queue.stores import Stores
from shared.queue.workers import register
from shared.settings import Settings, load_settings
from tests.support.servers import Servers

PATIENCE_SECONDS = 20.0
QUEUES = ("urgent", "ai_processing", "demo_tasks")


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> Settings:
    """Settings of a process under test; nothing is read from this machine's environment files."""
    return load_settings(
        _env_file=None,
        database_url=servers.database_url,
        redis_url=servers.redis_url,
        redis_result_url=servers.result_url,
        storage_dir=tmp_path / "files",
        secret_key="a secret of the tests",
        retry_backoff_scale=0.001,
    )


@pytest_asyncio.fixture
async def stores(settings: Settings) -> AsyncIterator[Stores]:
    """Open stores over emptied tables and databases."""
    async with Stores(settings, pool_size=10, overflow=10, application="tests") as opened:
        await empty(opened)
        yield opened


async def empty(stores: Stores) -> None:
    """Remove every row and key that an earlier test left."""
    async with stores.db.transaction() as session:
        await session.execute(
            text(
                "TRUNCATE tasks, attempts, workers, queues, files, idempotency_keys, api_keys,"
                " webhook_deliveries, webhook_secrets, operations, audit_log, workflows, workflow_nodes"
                " RESTART IDENTITY"
            )
        )
        await session.execute(text("TRUNCATE schedule_ticks, hourly_stats, rates"))
        await session.execute(text("DELETE FROM schedules WHERE NOT is_builtin"))
        await session.execute(text("UPDATE schedules SET enabled = true, last_run = NULL"))
        await session.execute(text("DELETE FROM tenants WHERE id <> 1"))
    # Not by the product's own clients, which give up after a quarter of a second: a busy machine is no outage here.
    for url in (stores.settings.redis_url.get_secret_value(), stores.settings.result_url):
        async with Redis.from_url(
            url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
        ) as redis:
            await redis.flushdb()


@pytest.fixture
def planned() -> Callable[..., NewTask]:
    """Make a planned task; every field may be given."""

    def make(**given: Any) -> NewTask:
        fields: dict[str, Any] = {
            "id": new_id(),
            "type": "simple_calculation",
            "input": {"a": 1, "b": 2, "operation": "add"},
            "queue": "demo_tasks",
            "priority": 5,
            "timeout": 60.0,
            "max_attempts": 4,
        }
        return NewTask(**{**fields, **given})

    return make


@pytest_asyncio.fixture
async def claimant(stores: Stores) -> Claimant:
    """A registered worker's identity, serving every queue and the types tests use."""
    return await registered(stores)


async def registered(stores: Stores) -> Claimant:
    """Register a worker that never beats: its counter stands still."""
    types = ["simple_calculation", "unreliable_task"]
    worker = WorkerInfo(
        id=uuid4(),
        hostname="here",
        pid=1,
        state="running",
        queues=list(QUEUES),
        concurrency=10,
        types=types,
        missing={},
        pool_size=5,
        pool_overflow=5,
        version="0",
        started_at=datetime.now(UTC),
        heartbeat_age=0.0,
    )
    await register(stores, worker)
    return Claimant(worker.id, QUEUES, tuple(types))


async def blocked_clients(redis: Redis) -> int:
    """How many clients block on a pop in this client's own database; the server's count knows all of them."""
    number = str(redis.connection_pool.connection_kwargs.get("db") or 0)
    return sum(1 for c in await redis.client_list() if c["db"] == number and "b" in c["flags"])
