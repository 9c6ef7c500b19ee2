"""The queues in turn, round after round (A B C, A B C): submit, drain and pick-up of each on the same ground.

A queue that fails is reported with its error, and the others go on.
"""

from __future__ import annotations

import asyncio
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.catalogue import Peer
from benchmarks.stage import Crew, Play, Stage
from benchmarks.venvs import environment

START_LIMIT_S, SETTLE_LIMIT_S = 30.0, 5.0
PEER_LIMIT_S = 90.0
POLLING_S = 0.1
"""Of queues that poll so rarely, a quarter of the pick-ups is measured: each takes that long."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Distance:
    """How far they run. ``share`` of each one's own number of tasks; a drain ends after ``drain_s`` at the latest."""

    rounds: int
    share: float
    pick_ups: int
    drain_s: float
    until: float
    """By the monotonic clock: no further round begins that would end after this."""


@dataclass
class Track:
    """What was measured of one queue: a value a round by figure, and why it failed if it did."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    failure: str | None = None
    remarks: list[str] = field(default_factory=list)

    def note(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    def fail(self, when: str, error: Exception) -> None:
        """Nothing more is measured of it."""
        said = str(error).strip().splitlines() or [type(error).__name__]
        self.failure = f"{when}: {said[-1][:300]}"


async def race(stage: Stage, peers: Sequence[Peer], distance: Distance, tell: Tell) -> dict[str, Track]:
    """Every queue's figures, by its name."""
    tracks = {peer.name: Track() for peer in peers}
    pythons = {peer.name: await _python(peer, tracks[peer.name], tell) for peer in peers}
    for number in rounds(distance):
        for peer in peers:
            track, python = tracks[peer.name], pythons[peer.name]
            if python is None or track.failure is not None:
                continue
            tell(f"round {number} of {distance.rounds}: {peer.name}")
            try:
                async with asyncio.timeout(PEER_LIMIT_S):
                    await _lap(stage, peer, python, distance, track)
            except Exception as error:  # noqa: BLE001 - whatever a foreign library does ends its own track only
                track.fail(f"round {number}", error)
                tell(f"{peer.name} FAILED, {track.failure}")
    return tracks


async def _python(peer: Peer, track: Track, tell: Tell) -> Path | None:
    try:
        return await environment(peer.environment, peer.packages, tell)
    except (OSError, RuntimeError, TimeoutError) as error:
        track.fail("no environment", error)
        tell(f"{peer.name} FAILED, {track.failure}")
        return None


def rounds(distance: Distance) -> Iterator[int]:
    """Their numbers: as many as planned that fit, and one at least."""
    for number in range(1, distance.rounds + 1):
        began_at = time.monotonic()
        yield number
        now = time.monotonic()
        if now + (now - began_at) > distance.until:
            return


async def _lap(stage: Stage, peer: Peer, python: Path, distance: Distance, track: Track) -> None:
    count = max(100, round(peer.drain * distance.share))
    async with stage.fresh(peer, python) as play:
        took = await play.ask("many", str(count))
        track.note("submit", count / took["seconds"])
        async with play.workers() as crew:
            await drain(play, crew, count, distance.drain_s, track)
    async with stage.fresh(peer, python) as play, play.workers():
        pick_ups = distance.pick_ups // (1 if peer.poll_s < POLLING_S else 4)
        told = await play.ask("one", str(pick_ups), str(peer.poll_s))
        for figure, times in (("pick_up", told["waits_ms"]), ("start", told["starts_ms"])):
            track.note(f"{figure}_p50", statistics.median(times))
            track.note(f"{figure}_p99", statistics.quantiles(times, n=100, method="inclusive")[98])


async def drain(play: Play, crew: Crew, count: int, limit_s: float, track: Track) -> None:
    """From the first handler entered until the store says that all is settled; it may be said never to be.

    Raises: RuntimeError, TimeoutError.
    """
    ledger = play.stage.ledger
    if not await crew.until(lambda: ledger.count > 0, START_LIMIT_S):
        raise TimeoutError(f"its worker started nothing within {START_LIMIT_S:g} s")
    before = await crew.cost()
    is_through = await crew.until(lambda: ledger.count >= count, limit_s)
    is_settled = is_through and await _settled(play)
    ended_ns, done = time.monotonic_ns() if is_settled else ledger.last_ns, ledger.count
    if is_through and not is_settled:
        track.remarks.append(
            f"{await play.left()} of {count:,} tasks were entered and not settled {SETTLE_LIMIT_S:g} s later"
        )
    cost = (await crew.cost()).since(before)
    track.note("drain", done / (ended_ns - ledger.first_ns) * 1e9)
    track.note("cpu", cost.cpu_s * 1e6 / cost.tasks)
    track.note("trips", cost.trips / cost.tasks)
    track.note("memory", crew.memory_mib)


async def _settled(play: Play) -> bool:
    """Whether the store says in time that nothing is left."""
    gives_up_at = time.monotonic() + SETTLE_LIMIT_S
    while await play.left():
        if time.monotonic() > gives_up_at:
            return False
    return True


async def crowd(stage: Stage, peer: Peer, python: Path, workers: int, count: int, limit_s: float) -> Track:
    """A drain by several workers, all up before it begins: they are held by a signal while the tasks are submitted."""
    track = Track()
    async with stage.fresh(peer, python) as play, play.workers(workers) as crew:
        await crew.calm()
        crew.signal(signal.SIGSTOP)
        try:
            await play.ask("many", str(count))
        finally:
            crew.signal(signal.SIGCONT)
        await drain(play, crew, count, limit_s, track)
    return track
