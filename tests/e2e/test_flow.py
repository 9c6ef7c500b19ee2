"""Schedules, limits, bulk and unique tasks, on real processes."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

from service.client import AsyncClient

CALCULATION = {"a": 1, "b": 2, "operation": "add"}


async def test_a_schedule_makes_a_task_at_each_tick_and_one_when_told(client: AsyncClient) -> None:
    tag = "of the clock"
    schedule = await client.create_schedule("flow", "shout", {"text": tag}, every=1)
    told = await client.run_schedule(schedule.id)
    assert (await client.wait(told.id, timeout=30)).is_completed
    deadline = time.monotonic() + 30
    while (seen := await client.schedule(schedule.id)).last_run is None:
        assert time.monotonic() < deadline, "no tick came"
        await asyncio.sleep(0.1)
    assert seen.next_run is not None
    assert seen.next_run > seen.last_run
    await client.delete_schedule(schedule.id)


async def test_tasks_of_one_key_run_one_after_the_other(client: AsyncClient) -> None:
    made = [await client.submit("sleep", {"value": 0.3}, concurrency_key="customer 7") for _ in range(3)]
    ended = [await client.wait(task.id, timeout=60, check=True) for task in made]
    spans = sorted((task.started_at, task.finished_at) for task in ended if task.started_at and task.finished_at)
    assert len(spans) == 3
    for (_, before), (after, _) in pairwise(spans):
        assert before <= after, "two of them ran at once"


async def test_the_same_work_submitted_twice_is_done_once(client: AsyncClient) -> None:
    first = await client.submit("sleep_once", {"value": 0.5})
    again = await client.submit("sleep_once", {"value": 0.5})
    assert (first.existing, again.existing) == (False, True)
    assert again.id == first.id
    assert (await client.wait(first.id, timeout=30)).is_completed
    later = await client.submit("sleep_once", {"value": 0.5})
    assert later.id != first.id, "what is done is done: this is new work"


async def test_many_are_cancelled_and_sent_back_by_their_tag(client: AsyncClient) -> None:
    tag = "all of these"
    batch = [{"type": "simple_calculation", "input": CALCULATION, "delay": 3_600, "tags": [tag]} for _ in range(40)]
    made = await client.submit_batch(batch)
    assert (await client.cancel_many(tag=tag, dry_run=True)).matched == len(made)
    cancelled = await client.cancel_many(tag=tag)
    assert (cancelled.is_over, cancelled.done) == (True, len(made))
    assert (await client.get(made[0].id)).status == "CANCELLED"
    assert (await client.retry_many(tag=tag)).done == len(made)
    for task in made:
        assert (await client.wait(task.id, timeout=60)).is_completed
    assert (await client.delete_many(tag=tag)).done == len(made)
    assert [task.id async for task in client.list(tag=tag)] == []
