"""``make bench-peers``: ours beside other queues and other services in one run of half an hour at most.

The tables to stdout, what happens to stderr. A part, a queue or a service that fails is reported as failed, with its
error; the rest goes on. ``--write`` keeps it all in benchmarks/results/ and benchmarks/RESULTS.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import browser, engine, growth, report, results, sizes, stage, whole, written
from benchmarks.growth import QUICK, Reach
from benchmarks.peers.catalogue import OURS, Peer, chosen
from benchmarks.race import Distance, Track, race
from benchmarks.services.catalogue import ALL as SERVICES
from benchmarks.services.catalogue import Service
from benchmarks.stage import Stage
from benchmarks.venvs import environment

PARTS = ("peers", "services", "engine", "growth", "browser")
PEERS_S, SERVICES_S, GROWTH_S = 600.0, 270.0, 900.0
"""No further round begins that would end after this; growth is given up."""
CROWDS = ("arq", growth.BESIDE)
"""Besides ours: those whose rate by number of workers is worth the time."""


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    rounds: int
    share: float
    pick_ups: int
    load_s: float
    jobs: int
    reach: Reach


FULL = Scale(rounds=5, share=0.8, pick_ups=80, load_s=2.0, jobs=20_000, reach=Reach())
BRIEF = Scale(rounds=1, share=0.3, pick_ups=24, load_s=1.0, jobs=5_000, reach=QUICK)


class Run:
    """One run of the parts asked for."""

    def __init__(self, stage: Stage, scale: Scale, peers: tuple[Peer, ...]) -> None:
        self._stage = stage
        self._scale = scale
        self._peers = peers
        self._began_at = time.monotonic()

    def tell(self, line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._began_at), 60)
        sys.stderr.write(f"{minutes:2}:{seconds:02} {line}\n")

    async def environments(self) -> None:
        """Make those that are missing before the clock starts; one that cannot be made fails in its part."""
        wanted = [(peer.environment, peer.packages) for peer in self._peers]
        for name, packages in (*wanted, *((one.environment, one.packages) for one in self._services)):
            try:
                await environment(name, packages, self.tell)
            except (OSError, RuntimeError, TimeoutError) as error:
                self.tell(f"{name} FAILED: {error}")

    async def part(self, name: str) -> dict[str, Any]:
        """What a part measured; where it failed, as far as it came, and why."""
        work: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "peers": self._race,
            "services": self._tour,
            "engine": self._engine,
            "growth": self._growth,
            "browser": self._browser,
        }
        found: dict[str, Any] = {}
        try:
            await work[name](found)
        except Exception as error:  # noqa: BLE001 - a part that fails must not take the others' figures with it
            found["failure"] = str(error) or ("its time was up" if isinstance(error, TimeoutError) else repr(error))
            self.tell(f"{name} FAILED: {found['failure']}")
        return found

    async def _race(self, found: dict[str, Any]) -> None:
        found["facts"] = {peer.name: _facts(peer) for peer in self._peers}
        found["tracks"] = results.document(await race(self._stage, self._peers, self._distance(PEERS_S), self.tell))

    async def _tour(self, found: dict[str, Any]) -> None:
        services = self._services
        found["facts"] = {one.name: {"packages": one.packages, "settings": one.settings} for one in services}
        found["ceiling"] = round(await whole.ceiling(self._stage.folder))
        tour = whole.tour(self._stage, services, self._distance(SERVICES_S), self._scale.load_s, self.tell)
        found["tracks"] = results.document(await tour)

    @property
    def _services(self) -> tuple[Service, ...]:
        """``--only arq`` leaves Celery's out, too."""
        names = {peer.module for peer in self._peers}
        return tuple(one for one in SERVICES if not one.packages or names.intersection(one.name.lower().split()))

    async def _engine(self, found: dict[str, Any]) -> None:
        """Plain arq jobs, without PostgreSQL."""
        await self._stage.clear()
        plan = argparse.Namespace(rounds=self._scale.rounds, jobs=self._scale.jobs)
        tracks: dict[str, Track] = {}
        self.tell(f"the engine alone: {plan.rounds} rounds")
        pairs = await asyncio.to_thread(lambda: list(engine.rounds(self._stage.redis_url, plan)))
        for slots, *both in pairs:
            for name, drained in zip(("arq", OURS.name), both, strict=True):
                track = tracks.setdefault(f"{name}, {slots} slots", Track())
                for figure, value in asdict(drained).items():
                    track.note(figure, value)
        found["tracks"] = results.document(tracks)

    async def _growth(self, found: dict[str, Any]) -> None:
        reach = self._scale.reach
        found["reach"] = asdict(reach)
        crowd = [OURS, *(peer for peer in self._peers if reach != QUICK and peer.name in CROWDS)]
        async with asyncio.timeout(GROWTH_S):
            by_peer = await growth.workers(self._stage, crowd, reach, self.tell)
            found["workers"] = {name: results.document(by_number) for name, by_number in by_peer.items()}
            long_run = await growth.long_run(self._stage, Path(sys.executable), reach, self.tell)
            found["long_run"] = results.document({OURS.name: long_run})[OURS.name]
            found["waiting"] = results.document(await sizes.waiting(self._stage, reach.waiting, reach.get_s, self.tell))
            found["history"] = results.document(await sizes.history(self._stage, reach.rows, reach.get_s, self.tell))

    async def _browser(self, found: dict[str, Any]) -> None:
        track = Track()
        for late_ms in await browser.late_ms(self._stage, self._scale.rounds, self.tell):
            track.note("late_p50", statistics.median(late_ms))
            track.note("late_p99", statistics.quantiles(late_ms, n=100, method="inclusive")[98])
        found["tracks"] = results.document({OURS.name: track})

    def _distance(self, seconds: float) -> Distance:
        scale = self._scale
        return Distance(scale.rounds, scale.share, scale.pick_ups, 10.0, time.monotonic() + seconds)


def _facts(peer: Peer) -> dict[str, Any]:
    return {
        "packages": peer.packages,
        "settings": peer.settings,
        "keeps": peer.keeps,
        "is_durable": peer.is_durable,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: four minutes at most")
    parser.add_argument("--only", metavar="NAMES", help="of the queues: ours,arq")
    parser.add_argument("--share", type=float, help="of the tasks each queue is given (four seconds of work)")
    parser.add_argument("--parts", default=",".join(PARTS), help="of %(default)s")
    parser.add_argument("--data-dir", type=Path, help="below which the data lies; a disk, not tmpfs (default: /tmp)")
    parser.add_argument("--write", action="store_true", help="keep the results and write benchmarks/RESULTS.md")
    given = parser.parse_args()
    try:
        given.peers = chosen(given.only)
    except ValueError as error:
        parser.error(str(error))
    given.parts = given.parts.split(",")
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    return given


async def compare(given: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - asyncio.run made one
    # As Ctrl-C does: by cancelling, so that everything started is ended.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="taskrunner-bench-", dir=given.data_dir) as name:
        folder = Path(name)
        async with stage.opened(folder) as opened:
            scale = BRIEF if given.quick else FULL
            run = Run(opened, replace(scale, share=given.share or scale.share), given.peers)
            await run.environments()
            parts: dict[str, Any] = {}
            for part in given.parts:
                load_before = os.getloadavg()[0]
                parts[part] = await run.part(part)
                version = str(await opened.admin.fetchval("SHOW server_version"))
                where = report.surroundings(folder, version, (load_before, os.getloadavg()[0]))
                parts[part]["where"] = where
                if given.write:
                    results.save(part, where, parts[part])
    sys.stdout.write(written.page(parts))
    if given.write:
        written.write()


def main() -> int:
    try:
        asyncio.run(compare(arguments()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
