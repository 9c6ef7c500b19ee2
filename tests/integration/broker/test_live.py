"""What the result database holds: live progress, streamed output, copies of results; all of it expiring."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest_asyncio

from shared.broker.announce import announce_cancels, announce_finals, final_of
from shared.broker.connection import Broker, channel_of
from shared.broker.keys import (
    CANCELS_CHANNEL,
    FINALS_CHANNEL,
    NOTES_TTL_SECONDS,
    PROGRESS_AFTER_END_SECONDS,
    SAID_CHANNEL,
    output_key,
    progress_key,
    result_key,
)
from shared.broker.listener import listen, listen_to_words
from shared.broker.output import Said, read_entries, write_said
from shared.broker.progress import read_progress
from shared.children import end
from shared.domain.cancels import CancelRequest
from shared.domain.ids import new_id
from shared.domain.states import Status
from shared.domain.task import NewTask, Progress, Task
from shared.domain.verdict import TaskError
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.settings import Settings
from tests.integration.broker.conftest import eventually

HALF = Progress(50.0, "half\nway \u2028 é", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
STARTED = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


@pytest_asyncio.fixture
async def finished(stores: Stores, planned: Callable[..., NewTask]) -> Task:
    [task] = await submit(stores, 1, [planned()])
    return task._replace(status=Status.COMPLETED, result={"n": 1})


@pytest_asyncio.fixture
async def told(settings: Settings, broker: Broker) -> AsyncIterator[dict[str, list[UUID]]]:
    """Which tasks were told of on each channel."""
    heard: dict[str, list[UUID]] = {FINALS_CHANNEL: [], SAID_CHANNEL: []}
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


def said(task: Task, piece: int = 0, output: str = "", progress: Progress | None = None) -> Said:
    return Said(task.id, output_key(task.id, STARTED), key_of(task), piece, 1, output, progress)


async def test_progress_comes_back_to_the_run_that_wrote_it(broker: Broker, finished: Task) -> None:
    assert await write_said(broker, [said(finished, progress=HALF)], ttl=60)
    assert await read_progress(broker, finished) == HALF
    for other in (finished._replace(attempt=finished.attempt + 1), finished._replace(generation=2)):
        assert await read_progress(broker, other) is None


async def test_what_a_run_says_is_kept_in_order_by_its_own_numbers_and_expires(broker: Broker, finished: Task) -> None:
    key = output_key(finished.id, STARTED)
    assert await write_said(broker, [said(finished, 1, "one two ", HALF)], ttl=60)
    assert await write_said(broker, [said(finished, 5, "é\u2028")], ttl=60)
    found = await read_entries(broker, {key: (0, 0), "output:none": (0, 0)})
    assert found is not None
    assert list(found) == [key]
    assert [entry_id for entry_id, _ in found[key]] == [(1, 0), (1, 1), (5, 0)]
    texts = [fields[b"output"].decode() for _, fields in found[key] if b"output" in fields]
    assert texts == ["one two ", "é\u2028"]
    assert orjson.loads(found[key][1][1][b"progress"])["percent"] == 50
    assert await read_entries(broker, {key: (5, 0)}) == {}
    assert 0 < await broker.results.ttl(key) <= 60


async def test_a_run_that_only_tells_of_its_progress_leaves_little_behind(broker: Broker, finished: Task) -> None:
    assert await write_said(broker, [said(finished, progress=HALF)], ttl=3_600)
    assert 0 < await broker.results.ttl(output_key(finished.id, STARTED)) <= NOTES_TTL_SECONDS


async def test_whoever_watches_is_told_which_tasks_spoke(
    broker: Broker, finished: Task, told: dict[str, list[UUID]]
) -> None:
    await write_said(broker, [said(finished, 1, "hello")], ttl=60)

    async def heard() -> bool:
        return told[SAID_CHANNEL] == [finished.id]

    await eventually(heard)


async def test_words_are_dropped_while_redis_is_away(broker: Broker, finished: Task) -> None:
    broker.trip()
    assert not await write_said(broker, [said(finished, 1, "lost", HALF)], ttl=60)
    assert await read_entries(broker, {"output:none": (0, 0)}) is None
    assert await read_progress(broker, finished) is None


async def test_a_final_task_is_announced_with_a_copy_and_its_progress_soon_goes(
    broker: Broker, finished: Task, told: dict[str, list[UUID]]
) -> None:
    failed = finished._replace(
        id=new_id(),
        status=Status.FAILED,
        result=None,
        error=TaskError("Oops", "broke", False, "secret trace"),
    )
    await write_said(broker, [said(finished, progress=HALF)], ttl=60)
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


async def test_cancels_are_told_with_the_generation_they_mean(settings: Settings, broker: Broker) -> None:
    wanted = [CancelRequest(new_id(), 1), CancelRequest(new_id(), 32_767)]
    heard: list[CancelRequest] = []
    hearing = asyncio.create_task(
        listen_to_words(settings.result_url, CANCELS_CHANNEL, lambda word: heard.append(CancelRequest.parse(word)))
    )
    channel = channel_of(broker.results, CANCELS_CHANNEL)

    async def all_heard() -> bool:
        # Words of others and of an older release, and one of ours beside them.
        await broker.results.publish(channel, f"\N{SNOWMAN} x:1 {wanted[0].task_id} {wanted[0].task_id}:one")
        assert await announce_cancels(broker, wanted)
        return set(heard) == set(wanted)

    await eventually(all_heard)
    await end(hearing)
