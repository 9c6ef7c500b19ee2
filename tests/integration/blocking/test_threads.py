"""Handlers in threads: the same run, in the worker's own process, which can only be asked to stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.blocking.live_run import CONTEXT, LiveRun, eventually
from tests.support import blocking_tasks as tasks
from tests.support.blocking_tasks import Loose, Text
from worker.blocking import BlockingRunner, HandlerFailed


@pytest.fixture(autouse=True)
def _gate() -> Iterator[None]:
    """No thread stays behind a test."""
    tasks.THREAD_GATE.clear()
    yield
    tasks.THREAD_GATE.set()


@pytest.fixture
def pool() -> BlockingRunner:
    return BlockingRunner(processes=1, task_modules=[], threads=1)


async def test_a_thread_says_everything_in_order_and_with_the_runs_context(pool: BlockingRunner, live: LiveRun) -> None:
    token = CONTEXT.set("task-1")
    assert await pool.run(tasks.thread_talk, live, Text(text="x")) == Text(text="x")
    CONTEXT.reset(token)
    kinds = [entry[:2] for entry in live.said]
    assert kinds == [("progress", 10), ("emit", "a"), ("info", "step_done"), ("progress", 20), ("emit", "b")]
    assert live.said[2][3] == "task-1"


async def test_a_thread_reaches_the_world(pool: BlockingRunner, live: LiveRun) -> None:
    output = await pool.run(tasks.thread_world, live, Text())
    assert output == Loose(value=["content", "hi!", True, "handler-t_world"])
    assert live.emitted == ["hi", "!"]


async def test_a_thread_catches_the_worlds_errors_themselves(pool: BlockingRunner, live: LiveRun) -> None:
    output = await pool.run(tasks.thread_catch, live, Text())
    assert isinstance(output, Loose)
    assert output.value[1] == "ProviderUnavailable away 0:00:05"


async def test_an_output_of_another_model_is_a_type_error(pool: BlockingRunner, live: LiveRun) -> None:
    with pytest.raises(HandlerFailed, match=r"TypeError: .* must return Loose, it returned Text"):
        await pool.run(tasks.thread_odd_output, live, Text(text="other"))


async def test_a_cancelled_run_ends_at_once_while_its_thread_keeps_the_place(
    pool: BlockingRunner, live: LiveRun, tmp_path: Path
) -> None:
    running = asyncio.create_task(pool.run(tasks.thread_stuck, live, Text(text="talks")))
    await live.heard.wait()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert pool.abandoned_threads == 1

    other = LiveRun(tmp_path)
    waiting = asyncio.create_task(pool.run(tasks.thread_talk, other, Text()))
    await asyncio.sleep(0.05)
    assert other.said == []

    tasks.THREAD_GATE.set()
    assert await asyncio.wait_for(waiting, 5) == Text()
    assert pool.abandoned_threads == 0
    # Its last progress was refused: the run it speaks for has ended.
    assert live.said == [("emit", "stuck")]


async def test_a_cancel_reaches_a_call_that_a_thread_waits_for(pool: BlockingRunner, live: LiveRun) -> None:
    running = asyncio.create_task(pool.run(tasks.thread_waits, live, Text()))
    await live.heard.wait()
    running.cancel()
    await asyncio.wait({running})
    await eventually(lambda: live.ai.was_cancelled and pool.abandoned_threads == 0)


async def test_a_cancel_request_is_seen_by_the_thread(pool: BlockingRunner, live: LiveRun) -> None:
    running = asyncio.create_task(pool.run(tasks.thread_stuck, live, Text()))
    await live.heard.wait()
    live.cancelled = True
    tasks.THREAD_GATE.set()
    assert await running == Text(text="cancelled=True")


async def test_closing_ends_what_a_thread_may_call_and_does_not_wait_for_it(
    pool: BlockingRunner, live: LiveRun
) -> None:
    running = asyncio.create_task(pool.run(tasks.thread_stuck, live, Text(text="talks")))
    await live.heard.wait()
    await asyncio.wait_for(pool.close(), 1)
    assert pool.abandoned_threads == 1
    tasks.THREAD_GATE.set()
    with pytest.raises(HandlerFailed, match="RunEnded"):
        await running


async def test_a_thread_that_never_returns_cannot_keep_the_worker_from_ending(
    pool: BlockingRunner, live: LiveRun
) -> None:
    running = asyncio.create_task(pool.run(tasks.thread_stuck, live, Text()))
    await live.heard.wait()
    [thread] = [t for t in threading.enumerate() if t.name == "handler-t_stuck"]
    assert thread.daemon
    tasks.THREAD_GATE.set()
    await running


async def test_a_thread_that_cannot_start_gives_its_place_back(
    pool: BlockingRunner, live: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            await pool.run(tasks.thread_talk, live, Text())
    assert await asyncio.wait_for(pool.run(tasks.thread_talk, live, Text()), 5) == Text()


@pytest.mark.parametrize(("processes", "threads"), [(0, 1), (1, 0)])
def test_a_pool_without_places_is_refused(processes: int, threads: int) -> None:
    with pytest.raises(ValueError, match="must be ≥ 1"):
        BlockingRunner(processes=processes, task_modules=[], threads=threads)
