"""``make bench``: measure ours beside its yardsticks in two minutes; the table to stdout, what happens to stderr."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import report
from benchmarks.ground import prepared
from benchmarks.measures import Bench, Plan
from benchmarks.rows import Rows


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of load in each measure of each round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--drain", type=int, default=10_000, metavar="TASKS")
    parser.add_argument("--pick-ups", type=int, default=100, metavar="TASKS")
    parser.add_argument("--concurrency", type=int, default=100, metavar="SLOTS", help="of the worker")
    parser.add_argument("--data-dir", type=Path, help="below which the data lies; a disk, not tmpfs (default: /tmp)")
    parser.add_argument("--write", action="store_true", help="write benchmarks/RESULTS.md too")
    return parser.parse_args()


async def bench(given: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - asyncio.run made one
    # As Ctrl-C does: by cancelling, so that everything started is ended.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    plan = Plan(given.rounds, given.seconds, given.connections, given.drain, given.pick_ups, given.concurrency)
    load_before = os.getloadavg()[0]
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=Console(stderr=True)) as progress,
        tempfile.TemporaryDirectory(prefix="taskrunner-bench-", dir=given.data_dir) as name,
    ):
        bar = progress.add_task("starting the servers", total=plan.steps)
        folder = Path(name)
        async with prepared(folder, plan.concurrency) as ground:
            connection = await asyncpg.connect(ground.database_url.replace("+asyncpg", "", 1), timeout=10)
            rows = Rows(connection)
            bench = Bench(ground, plan, rows, lambda step: progress.update(bar, description=step, advance=1))
            await bench.measure()
            where = report.surroundings(folder, await rows.version(), (load_before, os.getloadavg()[0]))
            await connection.close(timeout=5)
    figures = bench.figures.values()
    sys.stdout.write("\n".join([*where, "", report.table(figures), ""]))
    if given.write:
        report.write(figures, plan, where)


def main() -> int:
    try:
        asyncio.run(bench(arguments()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
