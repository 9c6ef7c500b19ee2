"""Queues and the drain of a worker, as both clients ask for them."""

from __future__ import annotations

import pytest

from service.client import AsyncClient, Client, NotFound, ServiceUnavailable
from tests.support.fake_api import FakeApi

DEMO = "/api/v1/queues/demo_tasks"


def test_queues_say_what_waits(client: Client) -> None:
    found = {queue.name: queue for queue in client.queues()}
    assert set(found) == {"urgent", "ai_processing", "demo_tasks"}
    demo = found["demo_tasks"]
    assert (demo.waiting, demo.delayed, demo.running, demo.paused) == (3, 1, 2, False)
    assert (demo.oldest_age, demo.throughput, demo.is_lower_bound) == (1.25, 41.5, False)


def test_a_queue_is_paused_and_resumed(api: FakeApi, client: Client) -> None:
    assert client.pause_queue("demo_tasks").paused
    assert api.queues["demo_tasks"]["paused"]
    assert not client.resume_queue("demo_tasks").paused
    with pytest.raises(NotFound):
        client.pause_queue("../tasks")
    assert [got.path for got in api.seen("POST", ".*")][-1] == "/api/v1/queues/..%2Ftasks/pause"


def test_a_purge_goes_on_until_nothing_is_left(api: FakeApi, client: Client) -> None:
    for _ in range(5):
        api.add({"type": "simple_calculation"})
    tried = client.purge_queue("demo_tasks", dry_run=True)
    assert (tried.matched, tried.cancelled, tried.dry_run) == (5, 0, True)
    done = client.purge_queue("demo_tasks")
    assert (done.matched, done.cancelled, done.has_more) == (5, 5, False)
    assert len(api.seen("DELETE", f"{DEMO}/tasks")) == 4
    assert {task["status"] for task in api.tasks.values()} == {"CANCELLED"}


def test_a_purge_survives_a_lost_reply(api: FakeApi, client: Client) -> None:
    for _ in range(3):
        api.add({"type": "simple_calculation"})
    api.lose_reply("DELETE", f"{DEMO}/tasks")
    assert not client.purge_queue("demo_tasks").has_more
    assert {task["status"] for task in api.tasks.values()} == {"CANCELLED"}


def test_a_purge_that_is_refused_says_so(api: FakeApi, client: Client) -> None:
    api.refuse("DELETE", f"{DEMO}/tasks", 503, "store_unavailable", retry_after=60)
    with pytest.raises(ServiceUnavailable):
        client.purge_queue("demo_tasks")


def test_a_worker_is_drained(client: Client) -> None:
    assert client.drain_worker("w1").state == "draining"
    with pytest.raises(NotFound):
        client.drain_worker("w2")


async def test_the_same_awaited(api: FakeApi, async_client: AsyncClient) -> None:
    api.add({"type": "simple_calculation"})
    assert len(await async_client.queues()) == 3
    assert (await async_client.pause_queue("urgent")).paused
    assert not (await async_client.resume_queue("urgent")).paused
    assert (await async_client.purge_queue("demo_tasks")).cancelled == 1
    assert (await async_client.drain_worker("w1")).state == "draining"


async def test_throughput_comes_by_the_minute(api: FakeApi, async_client: AsyncClient) -> None:
    minutes = [{"since": "2026-03-01T12:00:00Z", "ended": 30, "rate": 0.5}]
    api.answer("GET", "/api/v1/stats/throughput", 200, {"step": 60, "data": minutes})
    [minute] = await async_client.throughput()
    assert (minute.ended, minute.rate, minute.since.minute) == (30, 0.5, 0)
