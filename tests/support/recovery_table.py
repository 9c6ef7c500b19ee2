"""``python -m tests.support.recovery_table REPORT...``: the table of recovery times in docs/reliability.md.

Each report is what one ``make chaos CHAOS_REPORT=…`` wrote: a line of JSON for each measurement.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- recoveries -->\n", "<!-- /recoveries -->"


class Measured(TypedDict):
    """One line of a report; both times are seconds."""

    fault: str
    seconds: float
    limit: float


def table(measured: Iterable[Measured]) -> Iterator[str]:
    """Markdown: each fault with the least and the most it took, over all runs, and its limit."""
    by_fault: dict[str, list[Measured]] = {}
    for one in measured:
        by_fault.setdefault(one["fault"], []).append(one)
    yield "| fault | measured, s | limit, s |"
    yield "|---|---:|---:|"
    for fault in sorted(by_fault, key=str.casefold):
        took = sorted(one["seconds"] for one in by_fault[fault])
        yield f"| {fault} | {_span(took[0], took[-1])} | {by_fault[fault][0]['limit']:g} |"


def _span(least: float, most: float) -> str:
    low, high = f"{least:.2f}", f"{most:.2f}"
    return low if low == high else f"{low}–{high}"


def read(reports: Iterable[Path]) -> Iterator[Measured]:
    for report in reports:
        yield from map(json.loads, report.read_text(encoding="utf-8").splitlines())


def main(reports: Iterable[str]) -> None:
    """Write the table into its page. Raises: ValueError, where the page has no place for it."""
    before, mark, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{PAGE} lacks {BEGIN.strip()} or {END}")
    rows = "\n".join(table(read(map(Path, reports))))
    PAGE.write_text(f"{before}{BEGIN}{rows}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
