"""Progress and output of many runs in few writes: the newest progress, every piece, in order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

import worker.live_board
from shared.broker.keys import output_key, progress_key
from shared.broker.output import write_said
from shared.domain.ids import new_id
from shared.domain.states import Status
from shared.domain.task import ClaimedTask, Progress
from shared.queue.claim import claim_hinted
from shared.queue.lookup import get_task
from shared.queue.stores import Stores
from tests.integration.worker.conftest import TENANT, Bench, eventually
from worker.engine.slots import Slots
from worker.executions import Executions
from worker.live_board import LiveBoard


class CountedWrites:
    """``write_said``, counting round trips."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, *given: Any, **named: Any) -> bool:
        self.count += 1
        return await write_said(*given, **named)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> CountedWrites:
    counted = CountedWrites()
    monkeypatch.setattr(worker.live_board, "write_said", counted)
    return counted


def a_run() -> ClaimedTask:
    now = datetime.now(UTC)
    return ClaimedTask(
        *(new_id(), TENANT, "recite", "demo_tasks", 5, {}, new_id(), 1, 4, 1, 60.0, now, now, None, None)
    )


def progress(percent: float) -> Progress:
    return Progress(percent, f"at {percent}", datetime.now(UTC))


async def entries(stores: Stores, run: ClaimedTask) -> list[tuple[str, str]]:
    """What the run said by its numbers; of progress only its name."""
    found = await stores.broker.results.xrange(output_key(run.id, run.started_at))
    return [(number.decode(), fields.get(b"output", b"<progress>").decode()) for number, fields in found]


async def streamed(stores: Stores, run: ClaimedTask) -> str:
    return "".join(text for _, text in await entries(stores, run) if text != "<progress>")


async def test_a_storm_of_changes_is_few_writes_and_the_newest_progress(stores: Stores, writes: CountedWrites) -> None:
    board, run = LiveBoard(stores), a_run()
    outlet = board.outlet(run)
    flushing = asyncio.create_task(board.flush_for_ever())
    for step in range(1_001):
        outlet.progress(progress(step / 10))
        if step % 100 == 0:
            await asyncio.sleep(0.005)

    async def newest() -> bool:
        raw = await stores.broker.results.get(progress_key(run.id, 1, 1))
        return raw is not None and b"at 100.0" in raw

    await eventually(newest)
    flushing.cancel()
    assert writes.count < 20
    assert [number for number, _ in await entries(stores, run)] == [f"0-{note + 1}" for note in range(writes.count)]


async def test_output_keeps_every_piece_in_order_however_it_is_flushed(stores: Stores) -> None:
    board, one, two = LiveBoard(stores), a_run(), a_run()
    first, second = board.outlet(one), board.outlet(two)
    flushing = asyncio.create_task(board.flush_for_ever())
    expected = ""
    for number in range(500):
        piece = f"{number} "
        expected += piece
        first.output(piece)
        second.output(piece.upper())
        if number % 7 == 0:
            await asyncio.sleep(0.002)

    async def all_there() -> bool:
        return len(await streamed(stores, one)) >= len(expected)

    await eventually(all_there)
    flushing.cancel()
    assert await streamed(stores, one) == expected
    assert await streamed(stores, two) == expected


async def test_the_first_change_goes_out_at_once(stores: Stores) -> None:
    board, run = LiveBoard(stores), a_run()
    flushing = asyncio.create_task(board.flush_for_ever())
    board.outlet(run).progress(progress(1))

    async def there() -> bool:
        return bool(await entries(stores, run))

    await eventually(there, timeout=2)
    flushing.cancel()


async def test_nothing_said_is_nothing_written(stores: Stores, writes: CountedWrites) -> None:
    board = LiveBoard(stores)
    assert board.is_flushed()
    await board.flush()
    assert writes.count == 0


async def test_a_board_goes_on_while_redis_is_away_and_the_hole_is_seen(stores: Stores) -> None:
    board, run = LiveBoard(stores), a_run()
    outlet = board.outlet(run)
    stores.broker.trip()
    outlet.output("lost ")
    await board.flush()

    async def back() -> bool:
        return not stores.broker.is_away

    await eventually(back)
    outlet.output("kept")
    await board.flush()
    assert await entries(stores, run) == [("2-0", "kept")]


async def test_a_run_that_never_stops_talking_is_cut_short(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.live_board, "OUTPUT_LIMIT", 10)
    board, run = LiveBoard(stores), a_run()
    outlet = board.outlet(run)
    for piece in ("1234567890", "more", "and more"):
        outlet.output(piece)
        await board.flush()
    outlet.progress(progress(50))
    await board.flush()
    assert await entries(stores, run) == [("1-0", "1234567890"), ("2-1", "<progress>")], "a piece is missed"


async def test_the_last_words_of_a_run_are_written_before_its_end(bench: Bench) -> None:
    """With no flush on its own: a reader that sees the end must find them."""
    slots = Slots(1)
    executions, [run] = Executions(bench.handlers, slots), [await bench.claimed(await bench.submitted("in_a_thread"))]
    slots.take()
    executions.start(run)

    async def ended() -> bool:
        return (await get_task(bench.stores, TENANT, run.id)).status.is_final

    await eventually(ended)
    assert await streamed(bench.stores, run) == "piece"


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
