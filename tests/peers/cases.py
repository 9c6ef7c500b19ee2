"""Five faults, the same for everybody, each bounded; what became of it is said in a table's cell."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import redis.asyncio

from tests.peers.contender import SLOTS, Contender, effects, names
from tests.peers.scene import Scene
from tests.support.faults import until
from tests.support.processes import Child, descendants_of, is_alive

POLL_SECONDS = 0.1
START_SECONDS = 30.0
BOUND_SECONDS = 120.0
WAITING = 2_000
AWAY_SECONDS = 5.0
STOPPED_SECONDS = 75.0
QUIET_SECONDS = 12.0
"""Without a task's end: longer than any of them waits before it connects again."""
DRAINED_SECONDS = 5.0
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Case:
    title: str
    run: Callable[[Scene], Awaitable[dict[str, str]]]


async def worker_killed(scene: Scene) -> dict[str, str]:
    """kill -9 of a worker with all its processes, while it runs ten tasks of a second and another worker lives."""

    async def act(contender: Contender) -> str:
        async with scene.turn:
            victim, held = await _busy_worker(contender)
            _send(victim, signal.SIGKILL)
            killed_at = time.time()
        again: dict[str, float] = {}
        while time.time() < killed_at + BOUND_SECONDS and again.keys() < held:
            await asyncio.sleep(POLL_SECONDS)
            for one in effects(contender, "start", "a"):
                if one.key in held and one.at > killed_at:
                    again.setdefault(one.key, one.at - killed_at)
        never = len(held) - len(again)
        within = f"all {len(held)}" if not never else f"{len(again)} of {len(held)}"
        span = f"{within} after {_span(again.values())}" if again else ""
        return "; ".join(part for part in (span, f"{never} not within {BOUND_SECONDS:g} s" if never else "") if part)

    return await scene.each(act)


async def flushed(scene: Scene) -> dict[str, str]:
    """FLUSHALL while 2,000 tasks wait; then a worker comes."""

    async def submitted(contender: Contender) -> str:
        async with scene.turn:
            return (await contender.submit(WAITING, 0.0, "b")).error or ""

    refused = await scene.each(submitted)
    async with redis.asyncio.Redis.from_url(scene.valkey.url, socket_timeout=10) as client:
        await client.flushall()

    async def drained(contender: Contender) -> str:
        async with scene.turn:
            if refused[contender.name]:
                return f"not submitted: {refused[contender.name]}"
            worker = await contender.worker()
            await _quiet(contender, "b", WAITING, DRAINED_SECONDS)
            _send(worker, signal.SIGKILL)
        return _lost(WAITING, len(names(contender, "end", "b")))

    return await scene.each(drained)


async def valkey_killed(scene: Scene) -> dict[str, str]:
    """kill -9 of Valkey, back after five seconds, while workers work and 290 tasks wait."""
    count = 300
    workers: dict[str, Child] = {}

    async def ready(contender: Contender) -> str:
        async with scene.turn:
            workers[contender.name] = await contender.worker()
        return ""

    async def submitted(contender: Contender) -> str:
        refusal = (await contender.submit(count, 0.5, "c")).error
        await until(lambda: len(names(contender, "start", "c")) >= SLOTS, START_SECONDS, "ten starts")
        return refusal or ""

    await scene.each(ready)
    await scene.each(submitted)
    scene.valkey.kill()
    await asyncio.sleep(AWAY_SECONDS)
    await scene.valkey.start()

    async def seen(contender: Contender) -> str:
        await _quiet(contender, "c", count)
        lost = _lost(count, len(names(contender, "end", "c")))
        if (code := workers[contender.name].returncode) is not None:
            return f"{lost}; the worker ended ({code})"
        await contender.submit(SLOTS, 0.0, "again")
        await _quiet(contender, "again", SLOTS)
        works = len(names(contender, "end", "again")) == SLOTS
        return f"{lost}; the worker {'goes on' if works else 'lives, and takes nothing any more'}"

    return await scene.each(seen)


async def worker_stopped(scene: Scene) -> dict[str, str]:
    """SIGSTOP of a worker that runs ten tasks of a second, SIGCONT after 75 s; another worker lives."""

    async def act(contender: Contender) -> str:
        async with scene.turn:
            victim, held = await _busy_worker(contender)
            _send(victim, signal.SIGSTOP)
            stopped_at = time.time()
        await asyncio.sleep(STOPPED_SECONDS)
        again = [one.at - stopped_at for one in effects(contender, "start", "a") if one.key in held]
        elsewhere = [seconds for seconds in again if seconds > 0]
        _send(victim, signal.SIGCONT)
        await asyncio.sleep(QUIET_SECONDS)
        ends = Counter(one.key for one in effects(contender, "end", "a"))
        twice = sum(ends[key] > 1 for key in held)
        taken = f"{len(elsewhere)} taken over after {_span(elsewhere)}" if elsewhere else "none taken over"
        lost = sum(not ends[key] for key in held)
        return f"{taken}; {twice} of {len(held)} ran twice" + (f"; {lost} never ended" if lost else "")

    return await scene.each(act)


async def submitted_without_valkey(scene: Scene) -> dict[str, str]:
    """Submit while Valkey is away; it comes back, and a worker with it."""
    scene.valkey.kill()

    answers = {}

    async def submitted(contender: Contender) -> str:
        answers[contender.name] = await contender.submit(1, 0.0, "e", PATIENCE_SECONDS)
        return ""

    await scene.each(submitted)
    await scene.valkey.start()

    async def seen(contender: Contender) -> str:
        answer = answers[contender.name]
        if answer.error:
            return f"{answer.error} after {answer.seconds:.1f} s"
        async with scene.turn:
            await contender.worker()
            await _quiet(contender, "e", 1)
        ran = names(contender, "end", "e")
        return f"accepted in {answer.seconds:.2f} s, and {'ran' if ran else 'never ran'}"

    return await scene.each(seen)


CASES = (
    Case("kill -9 of a worker with 9 or 10 running tasks: when they start again", worker_killed),
    Case("FLUSHALL with 2,000 waiting", flushed),
    Case("kill -9 of Valkey, back after 5 s, 300 tasks under way", valkey_killed),
    Case("SIGSTOP of a worker with 9 or 10 running tasks, SIGCONT after 75 s", worker_stopped),
    Case("submit while Valkey is away", submitted_without_valkey),
)


async def _busy_worker(contender: Contender) -> tuple[Child, set[str]]:
    """Two workers with their slots taken: the first one, and what it runs."""
    victim, _ = await asyncio.gather(contender.worker(), contender.worker())
    # Twice what both can run at once: slots that fill one by one are all taken by then.
    refusal = (await contender.submit(4 * SLOTS, 1.0, "a")).error
    assert refusal is None, refusal
    held: set[str] = set()

    def is_busy() -> bool:
        pids = {victim.pid, *descendants_of(victim.pid)}
        ended = {one.run for one in effects(contender, "end", "a")}
        begun = effects(contender, "start", "a")
        held.clear()
        held.update(one.key for one in begun if one.pid in pids and one.run not in ended)
        return len(held) >= SLOTS - 1  # slots are refilled one by one: all ten is a matter of luck for some

    await until(is_busy, START_SECONDS, "nine or ten tasks in one worker")
    return victim, held


def _send(worker: Child, number: signal.Signals) -> None:
    """To all its processes: a machine that goes down spares none."""
    for pid in (worker.pid, *descendants_of(worker.pid)):
        if is_alive(pid):
            os.kill(pid, number)


async def _quiet(contender: Contender, prefix: str, count: int, quiet: float = QUIET_SECONDS) -> None:
    """Return when so many have ended, or none has for a while."""
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < quiet and seen < count:
        await asyncio.sleep(POLL_SECONDS)
        ended = len(names(contender, "end", prefix))
        if ended != seen:
            seen, since = ended, time.monotonic()


def _lost(count: int, ended: int) -> str:
    return "none lost" if ended == count else f"{count - ended:,} of {count:,} lost"


def _span(seconds: Collection[float]) -> str:
    first, last = min(seconds), max(seconds)
    return f"{first:.1f} s" if last - first < 0.1 else f"{first:.1f}–{last:.1f} s"
