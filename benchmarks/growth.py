"""What grows besides the table (``sizes``), and what that costs ours: workers, and tasks done; and what an idle worker
asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.catalogue import OURS, Peer
from benchmarks.race import Tell, Track, crowd
from benchmarks.stage import Stage
from benchmarks.venvs import environment as python_of

IDLE_S = 10.0
COMPARED = (2, 8)
"""Workers whose rates are compared: measured in each repeat."""


@dataclass(frozen=True)
class Reach:
    """How far each goes."""

    waiting: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    rows: tuple[int, ...] = (10_000, 100_000, 1_000_000, 5_000_000)
    workers: tuple[int, ...] = (1, 2, 4, 8)
    workers_tasks: int = 25_000
    memory_tasks: int = 200_000
    repeats: int = 2
    get_s: float = 6.0


QUICK = Reach((1_000, 100_000), (10_000, 500_000), (2, 8), 20_000, 50_000, 1, 3.0)


async def workers(stage: Stage, peers: Sequence[Peer], reach: Reach, tell: Tell) -> dict[str, dict[int, Track]]:
    """The rate of a drain by the number of workers."""
    tracks: dict[str, dict[int, Track]] = {}
    for repeat in range(reach.repeats):
        for peer in peers if repeat == 0 else (OURS,):
            python = await python_of(peer.environment, peer.packages, tell)
            count = reach.workers_tasks if peer is OURS else peer.drain
            ours = reach.workers if repeat == 0 else COMPARED
            for number in ours if peer is OURS else (1, 8):
                tell(f"{number} workers: {peer.name}")
                lap = await crowd(stage, peer, python, number, count, 10.0)
                for name, values in lap.figures.items():
                    tracks.setdefault(peer.name, {}).setdefault(number, Track()).note(name, values[0])
    return tracks


async def long_run(stage: Stage, python: Path, reach: Reach, tell: Tell) -> Track:
    """An idle worker: its memory, what it asks for; then its memory after each quarter of many tasks."""
    track, quarter = Track(), reach.memory_tasks // 4
    async with stage.fresh(OURS, python) as play, play.workers() as crew:
        tell("an idle worker")
        await crew.calm()
        track.note("memory_mib", crew.memory_mib)
        redis_before, sql_before = await stage.commands(), await stage.statements()
        await asyncio.sleep(IDLE_S)
        track.note("redis_commands_s", (await stage.commands() - redis_before) / IDLE_S)
        track.note("statements_s", (await stage.statements() - sql_before) / IDLE_S)
        for number in range(1, 5):
            tell(f"memory: {number * quarter:,} tasks")
            await play.ask("many", str(quarter))
            done = number * quarter
            if not await crew.until(_reached(stage, done), 60):
                raise TimeoutError(f"{stage.ledger.count} of {done} tasks after a minute")
            track.note("memory_mib", crew.memory_mib)
    return track


def _reached(stage: Stage, count: int) -> Callable[[], bool]:
    return lambda: stage.ledger.count >= count
