"""How children start, are shared, die, are killed and replaced: real processes, real signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.blocking.live_run import LiveRun, eventually
from tests.support import blocking_tasks as tasks
from tests.support.blocking_tasks import Loose, Text
from tests.support.processes import ROOT, eventually_gone, is_alive
from worker.blocking import BlockingRunner, ChildDied, ChildNotReady, HandlerFailed

MakeRunner = Callable[..., BlockingRunner]


async def pid_of(runner: BlockingRunner, live: LiveRun) -> int:
    output = await runner.run(tasks.facts, live, Text())
    assert isinstance(output, Loose)
    return int(output.value[-1])


async def test_no_child_is_started_before_it_is_needed_and_a_warm_one_is_used_again(
    make_runner: MakeRunner, live: LiveRun
) -> None:
    runner = make_runner(processes=2)
    assert runner.child_pids == []
    assert len({await pid_of(runner, live) for _ in range(3)}) == 1
    assert len(runner.child_pids) == 1


async def test_starting_a_child_does_not_hold_up_the_event_loop(make_runner: MakeRunner, live: LiveRun) -> None:
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - before)

    ticking = asyncio.create_task(tick())
    started = time.perf_counter()
    await pid_of(make_runner(), live)
    took = time.perf_counter() - started
    ticking.cancel()
    # Held up for the whole start there would be one gap as long as the start.
    assert max(gaps) < took / 2


async def test_twenty_runs_over_two_children_go_in_the_order_they_came(make_runner: MakeRunner, live: LiveRun) -> None:
    runner = make_runner(processes=2)
    started: list[int] = []
    most = 0

    async def one(number: int) -> None:
        nonlocal most
        await runner.run(tasks.nap, live, Text(text=str(number)), on_start=lambda: started.append(number))
        most = max(most, len(runner.child_pids))

    await asyncio.gather(one(0), one(1))  # both warm: which of them starts faster is no matter of fairness
    started.clear()
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(one(number))
    assert most == 2
    # Two go side by side, so neighbours may swap; nobody is overtaken by more.
    assert all(abs(place - number) <= 1 for place, number in enumerate(started))


@pytest.mark.parametrize("how", ["sleep", "busy", "gil", "sigterm", "call"])
async def test_a_cancelled_run_ends_within_a_second_and_its_process_with_it(
    make_runner: MakeRunner, live: LiveRun, how: str
) -> None:
    runner = make_runner()
    running = asyncio.create_task(runner.run(tasks.stuck, live, Text(text=how)))
    await live.heard.wait()
    if how in {"sigterm", "call"}:
        await eventually(lambda: len(live.emitted) == 2)
    pid = int(live.emitted[0])
    before = time.monotonic()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - before < 1
    assert not is_alive(pid)
    assert live.ai.was_cancelled == (how == "call")
    assert await pid_of(runner, live) != pid


async def test_programs_a_cancelled_handler_started_end_with_it(make_runner: MakeRunner, live: LiveRun) -> None:
    running = asyncio.create_task(make_runner().run(tasks.stuck, live, Text(text="program")))
    await eventually(lambda: len(live.emitted) == 2)
    child, program = map(int, live.emitted)
    running.cancel()
    await asyncio.wait({running})
    await eventually_gone(child, program)


async def test_a_run_cancelled_while_it_waits_costs_no_child(make_runner: MakeRunner, live: LiveRun) -> None:
    runner = make_runner()
    first = asyncio.create_task(runner.run(tasks.look, live, Text()))
    await live.heard.wait()
    pids = runner.child_pids
    waiting = asyncio.create_task(runner.run(tasks.talk, live, Text()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert runner.child_pids == pids
    live.cancelled = True
    await first


async def test_a_run_cancelled_while_its_child_starts_leaves_nothing(make_runner: MakeRunner, live: LiveRun) -> None:
    runner = make_runner()
    others = _children_of(os.getpid())
    starting = asyncio.create_task(runner.run(tasks.talk, live, Text()))
    await eventually(lambda: _children_of(os.getpid()) > others)
    starting.cancel()
    await asyncio.wait({starting})
    assert starting.cancelled()
    await runner.close()
    assert live.said == []
    await eventually(lambda: _children_of(os.getpid()) <= others)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("exit", "exited with code 9"),
        ("segfault", "SIGSEGV"),
        ("9", r"SIGKILL \(out of memory, perhaps\)"),
        ("orphan", "exited with code 9"),
        ("garbage", "broke its pipe"),
    ],
)
async def test_a_child_that_dies_says_how_and_is_replaced(
    make_runner: MakeRunner, live: LiveRun, how: str, says: str
) -> None:
    runner = make_runner()
    with pytest.raises(ChildDied, match=says):
        await asyncio.wait_for(runner.run(tasks.die, live, Text(text=how)), 20)
    assert runner.child_pids == []
    assert await pid_of(runner, live) > 0


async def test_a_child_that_died_idle_is_not_the_next_runs_failure(make_runner: MakeRunner, live: LiveRun) -> None:
    runner = make_runner()
    await runner.run(tasks.die_later, live, Text())
    await eventually(lambda: runner.child_pids == [])
    assert await pid_of(runner, live) in runner.child_pids


async def test_a_child_killed_idle_a_moment_ago_is_not_the_next_runs_failure(
    make_runner: MakeRunner, live: LiveRun
) -> None:
    runner = make_runner()
    os.kill(await pid_of(runner, live), signal.SIGKILL)
    assert await pid_of(runner, live) in runner.child_pids


async def test_a_child_is_replaced_after_its_share_of_runs(make_runner: MakeRunner, live: LiveRun) -> None:
    runner = make_runner(runs_per_child=2)
    pids = [await pid_of(runner, live) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert not is_alive(pids[0])


async def test_a_handler_that_asks_for_more_memory_than_allowed_gets_a_memory_error(
    make_runner: MakeRunner, live: LiveRun
) -> None:
    runner = make_runner(memory_mb=1_024)
    pid = await pid_of(runner, live)
    with pytest.raises(HandlerFailed) as caught:
        await runner.run(tasks.memory, live, Text())
    assert caught.value.facts.type == "MemoryError"
    assert await pid_of(runner, live) == pid


async def test_closing_leaves_no_process_and_ends_what_runs(make_runner: MakeRunner, live: LiveRun) -> None:
    runner = make_runner(processes=2)
    await runner.run(tasks.talk, live, Text())
    live.heard.clear()
    running = [asyncio.create_task(runner.run(tasks.stuck, live, Text(text="sigterm"))) for _ in range(3)]
    await eventually(lambda: live.emitted.count("shielded") == 2)
    pids = runner.child_pids
    await runner.close()
    assert not any(map(is_alive, pids))
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ChildDied", "ChildDied", "ChildNotReady"]
    with pytest.raises(ChildNotReady, match="closing"):
        await runner.run(tasks.talk, live, Text())


async def test_a_module_that_a_child_cannot_import_is_told_by_name(live: LiveRun) -> None:
    runner = BlockingRunner(processes=1, task_modules=["no.such.module"], threads=1)
    with pytest.raises(ChildNotReady, match=r"no\.such\.module"):
        await runner.run(tasks.talk, live, Text())
    await runner.close()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("how", ["idle", "busy", "gil"])
async def test_no_child_outlives_a_killed_worker(how: str, loop: str) -> None:
    host = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.blocking.host", loop, how),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=asyncio.subprocess.PIPE,
    )
    assert host.stdout is not None
    try:
        pid = int(await asyncio.wait_for(host.stdout.readline(), 20))
        assert is_alive(pid)
    finally:
        host.kill()
        await host.wait()
    await eventually_gone(pid, timeout=5)


def _children_of(pid: int) -> set[int]:
    """The children of ``pid`` that serve handlers and have not been ended."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return {child for child in children if is_alive(child) and "worker.blocking.child" in _command(child)}


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""
