"""Limits over real workers: never exceeded while two race, and free again when the worker that held them is killed."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from service.client import AsyncClient
from tests.e2e.conftest import Service
from tests.support.ai_server import AIServer, answered
from tests.support.evidence import ledger_of

FREED_SECONDS = 10.0
KEY = "customer-7"


@pytest.fixture
async def limited(own_service: Service) -> Service:
    own_service.env |= {
        "TASKRUNNER_TASK_MODULES": "tests.support.own_tasks",
        "TASKRUNNER_KEY_CONCURRENCY": "2",
        "PYTHONPATH": ".",
    }
    await own_service.start_api()
    return own_service


async def submitted(client: AsyncClient, ledger: Path, seconds: float, key: str | None = KEY) -> str:
    task = await client.submit("effect", {"ledger": str(ledger), "seconds": seconds}, concurrency_key=key)
    return task.id


async def until_started(ledger: Path, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while len(starts_of(ledger)) < count:
        assert time.monotonic() < deadline, f"only {len(starts_of(ledger))} of {count} started"
        await asyncio.sleep(0.02)


def starts_of(ledger: Path) -> list[str]:
    return [effect.task_id for effect in ledger_of(ledger) if effect.what == "start"]


def most_at_once(ledger: Path) -> int:
    """The ledger's lines are in the order in which they were written."""
    running = most = 0
    for effect in ledger_of(ledger):
        running += 1 if effect.what == "start" else -1
        most = max(most, running)
    return most


async def test_two_workers_that_race_never_exceed_a_keys_limit(limited: Service, tmp_path: Path) -> None:
    ledger, others = tmp_path / "ledger", tmp_path / "others"
    await asyncio.gather(limited.start_worker(), limited.start_worker())
    async with limited.client() as client:
        tasks = await asyncio.gather(*(submitted(client, ledger, 0.1) for _ in range(14)))
        free = [await submitted(client, others, 0.0, None), await submitted(client, others, 0.0, "another")]
        for task in (*free, *tasks):
            done = await client.wait(task, timeout=30)
            assert (done.status, done.attempt) == ("COMPLETED", 1)
    assert most_at_once(ledger) == 2
    effects = ledger_of(ledger)
    assert len({effect.pid for effect in effects}) == 2, "both workers took part"


@pytest.mark.chaos
async def test_a_killed_workers_places_are_free_within_ten_seconds(limited: Service, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    victim = await limited.start_worker()
    async with limited.client() as client:
        held = [await submitted(client, ledger, 60.0) for _ in range(2)]
        await until_started(ledger, 2, 30)
        await limited.start_worker()
        waits = await submitted(client, ledger, 0.0)
        victim.send(signal.SIGKILL)
        await until_started(ledger, 4, FREED_SECONDS)
        assert (await client.cancel(held[0])).id == held[0]
        assert (await client.wait(waits, timeout=30)).status == "COMPLETED"
        assert next(a.outcome for a in await client.attempts(held[0])) == "lost"


async def test_a_providers_429_costs_no_attempt_and_holds_the_other_worker_back(limited: Service) -> None:
    async with AIServer() as provider:
        provider.script(answered(429, {"error": {"message": "slow down"}}, {"Retry-After": "4"}))
        ai = {"TASKRUNNER_AI_BASE_URL": provider.base_url, "TASKRUNNER_AI_MODEL": "big"}
        await asyncio.gather(limited.start_worker(**ai), limited.start_worker(**ai))
        async with limited.client() as client:
            first = await client.generate("hello")
            deadline = time.monotonic() + 30
            while not await client.attempts(first.id) or (await client.get(first.id)).status != "RETRYING":
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            others = [await client.generate("hello") for _ in range(4)]
            waiting = await client.get(first.id)
            assert waiting.error is not None
            assert (waiting.error.type, waiting.attempt) == ("RateLimited", 0)
            for task in (first, *others):
                done = await client.wait(task.id, timeout=60)
                assert (done.status, done.attempt) == ("COMPLETED", 1)
            outcomes = [a.outcome for a in await client.attempts(first.id)]
            assert (outcomes[0], outcomes[-1]) == ("released", "completed")
    assert len(provider.requests) == 6, "nobody asked during the pause"
