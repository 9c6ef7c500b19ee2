"""``make soak``: minutes of seeded faults under a seeded load; then everything is held to G, and to staying small."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

from tests.soak.arena import MOST_CONNECTIONS, Arena, opened
from tests.soak.flatness import trends
from tests.soak.load import Mix
from tests.soak.report import REPORT, Outcome, told, written
from tests.soak.sampling import EVERY_SECONDS, Sample, taken
from tests.soak.schedule import Strike, drawn
from tests.soak.striking import Striking
from tests.support.checker import violations
from tests.support.evidence import gathered
from tests.support.facts import Evidence, Violation
from tests.support.faults import until_all_ended

LINE_SECONDS = 10.0
END_SECONDS = 120.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="for the report and the evidence (default: a new one in /tmp)")
    return parser.parse_args()


class Soak:
    """One soak in a folder: runs it, then judges."""

    def __init__(self, seed: int, seconds: float, folder: Path) -> None:
        self._seed, self._seconds, self._folder = seed, seconds, folder
        self._ledger = folder / "ledger"
        self._strikes: list[Strike] = drawn(seed, seconds)
        self._samples: list[Sample] = []
        self._broken: list[Violation] = []

    async def run(self) -> Outcome:
        say(f"seed {self._seed}: up to {len(self._strikes)} faults in {self._seconds:g} s; evidence in {self._folder}")
        async with opened(self._folder) as arena:
            load = Mix([post.url for post in arena.apis], self._ledger, self._seed)
            striking = Striking(arena, self._strikes, self._seconds)
            async with load:
                await self._endured(arena, load, striking)
            evidence = await self._judged(arena, load)
        found = trends(self._samples, self._seconds)
        self._broken += [
            Violation("grows", trend.whose, f"{trend.what} from {trend.first:g} to {trend.last:g}")
            for trend in found
            if trend.is_flat is False
        ]
        struck = Counter({fault.value: count for fault, count in striking.done.items()})
        calls = Counter(f"{call.verb} {call.status or 'no answer'}" for call in load.calls)
        return Outcome(
            self._seed, self._seconds, self._strikes, struck, calls, found, self._samples, evidence, self._broken
        )

    async def _endured(self, arena: Arena, load: Mix, striking: Striking) -> None:
        """The load and the faults, until the time is over and everything accepted has ended."""
        stop = asyncio.Event()
        began = time.monotonic()
        watching = asyncio.create_task(self._watched(arena, load, striking, began))
        loading = asyncio.create_task(load.run(stop))
        try:
            await self._noted(striking.run())
            await asyncio.sleep(max(0.0, self._seconds - (time.monotonic() - began)))
            stop.set()
            await loading
            say(f"the load ended: {load.submitted} tasks accepted; waiting for their ends")
            await self._noted(until_all_ended(arena.database_url, END_SECONDS))
        finally:
            loading.cancel()
            watching.cancel()
            await asyncio.gather(loading, watching, return_exceptions=True)

    async def _noted(self, step: Awaitable[object]) -> None:
        """A step that fails is a violation, and the next one is taken all the same."""
        try:
            await step
        except AssertionError as error:
            self._break("step", str(error)[:500])

    async def _watched(self, arena: Arena, load: Mix, striking: Striking, began: float) -> None:
        """Sample, and say every ten seconds how it goes."""
        said_at = 0.0
        while True:
            at = time.monotonic() - began
            sample = await taken(arena, round(at, 1), is_calm=striking.is_calm)
            self._samples.append(sample)
            if at - said_at >= LINE_SECONDS:
                said_at = at
                waiting = "?" if sample.unended is None else sample.unended
                done = "?" if sample.unended is None else max(0, load.submitted - sample.unended)
                say(
                    f"{at:5.0f} s  {striking.done.total():3d} faults  {load.submitted:6d} submitted  "
                    f"{done:>6} done  {waiting:>4} waiting  {striking.now or ''}"
                )
            await asyncio.sleep(EVERY_SECONDS)

    async def _judged(self, arena: Arena, load: Mix) -> Evidence:
        evidence = await gathered(arena.database_url, self._ledger, load.calls)
        self._broken += violations(evidence)
        for trouble in load.troubles:
            self._break("client", trouble)
        for post in arena.posts:
            for code, count in post.unexplained.items():
                self._break("exit", f"{post.name} ended {count} times with {code}, and no fault was aimed at it")
        most = max((sample.postgres_connections or 0 for sample in self._samples), default=0)
        if most > MOST_CONNECTIONS:
            self._break("connections", f"{most} to PostgreSQL, where all pools together hold {MOST_CONNECTIONS}")
        return evidence

    def _break(self, rule: str, detail: str) -> None:
        self._broken.append(Violation(rule, "soak", detail))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def soak(given: argparse.Namespace) -> int:
    task = asyncio.current_task()
    assert task is not None
    # As Ctrl-C does: by cancelling, so that everything started is ended.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="taskrunner-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    outcome = await Soak(given.seed, given.seconds, folder).run()
    written(outcome, folder)
    say(told(outcome))
    if not outcome.violations:
        for data in ("postgres", "valkey", "files", "logs"):
            shutil.rmtree(folder / data, ignore_errors=True)
        (folder / "ledger").unlink(missing_ok=True)
    say(f"{'evidence' if outcome.violations else 'report'}: {folder / ('' if outcome.violations else REPORT)}")
    return 1 if outcome.violations else 0


def main() -> int:
    try:
        return asyncio.run(soak(arguments()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 128 + signal.SIGINT


if __name__ == "__main__":
    raise SystemExit(main())
