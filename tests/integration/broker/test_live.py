"""What the result database holds: live progress, streamed output, copies of results; all of it expiring."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest_asyncio

from shared.broker.announce import announce_cancel, announce_finals, final_of
from shared.broker.connection import Broker, channel_of
from shared.broker.keys import (
    CANCELS_CHANNEL,
    FINALS_CHANNEL,
    PROGRESS_AFTER_END_SECONDS,
    output_key,
    progress_key,
    result_key,
)
from shared.broker.listener import listen
from shared.broker.progress import read_progress, write_live
from shared.domain.ids import new_id
from shared.domain.states import Status
from shared.domain.task import NewTask, Progress, Task
from shared.domain.verdict import TaskError
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.settings import Settings
from tests.integration.broker.conftest import eventually

HALF = Progress(50.0, "half\nway \u2028 é", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest_asyncio.fixture
async def finished(stores: Stores, planned: Callable[..., NewTask]) -> Task:
    [task] = await submit(stores, 1, [planned()])
    return replace(task, status=Status.COMPLETED, result={"n": 1})


@pytest_asyncio.fixture
async def told(settings: Settings, broker: Broker) -> AsyncIterator[dict[str, list[UUID]]]:
    """What was said on each channel."""
    heard: dict[str, list[UUID]] = {FINALS_CHANNEL: [], CANCELS_CHANNEL: []}
    listeners = [
        asyncio.create_task(listen(settings.result_url, channel, ids.append)) for channel, ids in heard.items()
    ]

    async def subscribed() -> bool:
        counts = await broker.results.pubsub_numsub(*(channel_of(broker.results, name) for name in heard))
        return all(count >= 1 for _, count in counts)

    await eventually(subscribed)
    yield heard
    for listener in listeners:
        listener.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)


def key_of(task: Task) -> str:
    return progress_key(task.id, task.generation, task.attempt)


async def test_progress_comes_back_to_the_run_that_wrote_it(broker: Broker, finished: Task) -> None:
    assert await write_live(broker, {key_of(finished): HALF}, {}, ttl=60)
    assert await read_progress(broker, finished) == HALF
    for other in (replace(finished, attempt=finished.attempt + 1), replace(finished, generation=2)):
        assert await read_progress(broker, other) is None


async def test_output_is_kept_in_order_and_expires(broker: Broker) -> None:
    task = new_id()
    for batch in (["one ", "two "], ["three "], ["é\u2028"]):
        assert await write_live(broker, {}, {task: batch}, ttl=60)
    entries = await broker.results.xrange(output_key(task))
    assert b"".join(fields[b"delta"] for _, fields in entries).decode() == "one two three é\u2028"
    assert 0 < await broker.results.ttl(output_key(task)) <= 60


async def test_live_writes_and_reads_are_dropped_while_redis_is_away(broker: Broker, finished: Task) -> None:
    broker.trip()
    assert not await write_live(broker, {key_of(finished): HALF}, {}, ttl=60)
    assert await read_progress(broker, finished) is None


async def test_a_final_task_is_announced_with_a_copy_and_its_progress_soon_goes(
    broker: Broker, finished: Task, told: dict[str, list[UUID]]
) -> None:
    failed = replace(
        finished,
        id=new_id(),
        status=Status.FAILED,
        result=None,
        error=TaskError("Oops", "broke", False, "secret trace"),
    )
    await write_live(broker, {key_of(finished): HALF}, {}, ttl=60)
    assert await announce_finals(broker, [final_of(finished), final_of(failed)], ttl=30)
    assert 0 < await broker.results.ttl(key_of(finished)) <= PROGRESS_AFTER_END_SECONDS
    copy = orjson.loads(await broker.results.get(result_key(finished.id)))
    assert copy == {"status": "COMPLETED", "result": {"n": 1}, "error": None, "generation": 1}
    copy = orjson.loads(await broker.results.get(result_key(failed.id)))
    assert copy["error"] == {"type": "Oops", "message": "broke"}, "a traceback is for admins, in the row"
    assert 0 < await broker.results.ttl(result_key(finished.id)) <= 30

    async def both() -> bool:
        return told[FINALS_CHANNEL] == [finished.id, failed.id]

    await eventually(both)


async def test_a_cancel_is_told_to_whoever_runs_the_task(broker: Broker, told: dict[str, list[UUID]]) -> None:
    task = new_id()
    assert await announce_cancel(broker, task)

    async def heard() -> bool:
        return told[CANCELS_CHANNEL] == [task]

    await eventually(heard)
    assert told[FINALS_CHANNEL] == []
