"""Progress and output of many runs in few writes: the newest progress, every piece, in order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

import worker.context
from shared.broker.keys import output_key
from shared.broker.progress import write_live
from shared.domain.ids import new_id
from shared.domain.states import Status
from shared.domain.task import Progress
from shared.queue.claim import claim_hinted
from shared.queue.lookup import get_task
from shared.queue.stores import Stores
from tests.integration.worker.conftest import TENANT, Bench, eventually
from worker.context import LiveBoard


class CountedWrites:
    """``write_live``, counting round trips."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, *given: Any, **named: Any) -> bool:
        self.count += 1
        return await write_live(*given, **named)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> CountedWrites:
    counted = CountedWrites()
    monkeypatch.setattr(worker.context, "write_live", counted)
    return counted


def progress(percent: float) -> Progress:
    return Progress(percent, f"at {percent}", datetime.now(UTC))


async def streamed(stores: Stores, task_id: Any) -> str:
    entries = await stores.broker.results.xrange(output_key(task_id))
    return b"".join(fields[b"delta"] for _, fields in entries).decode()


async def test_a_storm_of_changes_is_few_writes_and_the_newest_progress(stores: Stores, writes: CountedWrites) -> None:
    board = LiveBoard(stores)
    flushing = asyncio.create_task(board.flush_for_ever())
    for step in range(1_001):
        board.progress("progress:storm", progress(step / 10))
        if step % 100 == 0:
            await asyncio.sleep(0.005)

    async def newest() -> bool:
        raw = await stores.broker.results.get("progress:storm")
        return raw is not None and b"at 100.0" in raw

    await eventually(newest)
    flushing.cancel()
    assert writes.count < 20


async def test_output_keeps_every_piece_in_order_however_it_is_flushed(stores: Stores) -> None:
    board, one, two = LiveBoard(stores), new_id(), new_id()
    flushing = asyncio.create_task(board.flush_for_ever())
    expected = ""
    for number in range(500):
        piece = f"{number} "
        expected += piece
        board.output(one, piece)
        board.output(two, piece.upper())
        if number % 7 == 0:
            await asyncio.sleep(0.002)

    async def all_there() -> bool:
        return len(await streamed(stores, one)) >= len(expected)

    await eventually(all_there)
    flushing.cancel()
    assert await streamed(stores, one) == expected
    assert await streamed(stores, two) == expected


async def test_the_first_change_goes_out_at_once(stores: Stores) -> None:
    board = LiveBoard(stores)
    flushing = asyncio.create_task(board.flush_for_ever())
    board.progress("progress:first", progress(1))

    async def there() -> bool:
        return bool(await stores.broker.results.exists("progress:first"))

    await eventually(there, timeout=2)
    flushing.cancel()


async def test_nothing_said_is_nothing_written(stores: Stores, writes: CountedWrites) -> None:
    await LiveBoard(stores).flush()
    assert writes.count == 0


async def test_a_board_goes_on_while_redis_is_away(stores: Stores) -> None:
    board, task = LiveBoard(stores), new_id()
    stores.broker.trip()
    board.output(task, "lost ")
    await board.flush()

    async def back() -> bool:
        return not stores.broker.is_away

    await eventually(back)
    board.output(task, "kept")
    await board.flush()
    assert await streamed(stores, task) == "kept"


async def test_a_running_task_shows_live_progress_and_its_next_attempt_starts_clean(bench: Bench) -> None:
    first, ending = await bench.running("waits", timeout=0.3)
    await bench.board.flush()
    running = await get_task(bench.stores, TENANT, first.task.id)
    assert running.progress is not None
    assert (running.status, running.progress.percent) == (Status.PROCESSING, 40.0)
    await ending

    async def claimed_again() -> bool:
        return bool(await claim_hinted(bench.stores, bench.who, [first.task.id]))

    await eventually(claimed_again)
    again = await get_task(bench.stores, TENANT, first.task.id)
    assert (again.status, again.attempt, again.progress) == (Status.PROCESSING, 2, None)
