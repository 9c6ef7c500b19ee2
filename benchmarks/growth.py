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

CALM_S, IDLE_S = 30.0, 30.0
"""What a worker asks on its way up is not what an idle one asks: every chore has had its first turn by then."""
COMPARED = (2, 8)
"""Workers whose rates are compared, ours and another's in turn: measured in each repeat."""
BESIDE = "pgqueuer 100"


@dataclass(frozen=True)
class Reach:
    """How far each goes."""

    waiting: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    rows: tuple[int, ...] = (10_000, 100_000, 1_000_000, 5_000_000)
    workers: tuple[int, ...] = (1, 2, 4, 8)
    workers_tasks: int = 40_000
    workers_repeats: int = 5
    memory_tasks: int = 200_000
    repeats: int = 2
    get_s: float = 6.0


QUICK = Reach((1_000, 100_000), (10_000, 500_000), (2, 8), 20_000, 1, 50_000, 1, 3.0)


async def workers(stage: Stage, peers: Sequence[Peer], reach: Reach, tell: Tell) -> dict[str, dict[int, Track]]:
    """The rate of a drain by the number of workers, each number once; those that are compared in every repeat."""
    tracks: dict[str, dict[int, Track]] = {}
    for repeat in range(reach.workers_repeats):
        for peer in peers:
            python = await python_of(peer.environment, peer.packages, tell)
            count = reach.workers_tasks if peer.is_durable else peer.drain
            for number in _numbers(peer, reach, repeat):
                tell(f"{number} workers: {peer.name}")
                lap = await crowd(stage, peer, python, number, count, 10.0)
                for name, values in lap.figures.items():
                    tracks.setdefault(peer.name, {}).setdefault(number, Track()).note(name, values[0])
    return tracks


def _numbers(peer: Peer, reach: Reach, repeat: int) -> Sequence[int]:
    if repeat == 0 and peer is OURS:
        return reach.workers
    if peer.name in (OURS.name, BESIDE):
        return COMPARED
    return (1, 8) if repeat == 0 else ()


async def long_run(stage: Stage, python: Path, reach: Reach, tell: Tell) -> Track:
    """An idle worker: its memory, what it asks for; then its memory after each quarter of many tasks."""
    track, quarter = Track(), reach.memory_tasks // 4
    async with stage.fresh(OURS, python) as play, play.workers() as crew:
        tell("an idle worker")
        await crew.calm()
        await asyncio.sleep(CALM_S)
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
