"""What a soak says at its end: a table for people, JSON for programs, and the evidence where something broke."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.flatness import Trend
from tests.soak.sampling import Sample
from tests.soak.schedule import Strike
from tests.support.facts import Evidence, Violation

REPORT = "report.json"


@dataclass
class Outcome:
    """All that is known at the end. ``evidence`` None: the database could not be read any more."""

    seed: int
    seconds: float
    strikes: list[Strike]
    struck: Counter[str]
    calls: Counter[str]
    trends: list[Trend]
    samples: list[Sample]
    evidence: Evidence | None
    violations: list[Violation] = field(default_factory=list)

    @property
    def statuses(self) -> Counter[str]:
        return Counter(row.status for row in self.evidence.rows) if self.evidence else Counter()

    def as_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "seconds": self.seconds,
            "schedule": [asdict(strike) for strike in self.strikes],
            "struck": self.struck,
            "calls": self.calls,
            "tasks": self.statuses,
            "records": self.evidence.outcomes if self.evidence else {},
            "trends": [asdict(trend) for trend in self.trends],
            "samples": [sample.as_json() for sample in self.samples],
            "violations": [asdict(violation) for violation in self.violations],
        }


def written(outcome: Outcome, folder: Path) -> None:
    """Keep the report; and, where something broke, what every judgement was made of."""
    (folder / REPORT).write_text(json.dumps(outcome.as_json(), indent=1) + "\n", encoding="utf-8")
    if outcome.violations and outcome.evidence:
        _lines(folder / "calls.jsonl", outcome.evidence.calls)
        _lines(folder / "rows.jsonl", outcome.evidence.rows)


def told(outcome: Outcome) -> str:
    """The end of the soak in words."""
    counted = (
        ("faults", outcome.struck),
        ("answers", outcome.calls),
        ("tasks", outcome.statuses),
        ("runs that were not the last", outcome.evidence.outcomes if outcome.evidence else Counter()),
    )
    lines = [f"{name}: {_counts(counter)}" for name, counter in counted]
    lines += ["", *_table(outcome.trends), ""]
    lines += [f"BROKEN {v.rule}: {v.about}: {v.detail}" for v in outcome.violations[:50]]
    verdict = f"{len(outcome.violations)} violations" if outcome.violations else "nothing lost, nothing broken"
    return "\n".join([*lines, f"seed {outcome.seed}, {outcome.seconds:g} s: {verdict}"])


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in sorted(counter.items())) or "none"


def _table(trends: Sequence[Trend]) -> list[str]:
    lines = [f"{'':28}{'first third':>12}{'last third':>12}{'most':>10}{'per hour':>10}"]
    for trend in trends:
        verdict = {True: "flat", False: "GROWS", None: "too short to tell"}[trend.is_flat]
        figures = f"{trend.first:12.1f}{trend.last:12.1f}{trend.most:10.1f}{trend.slope_per_hour:+10.1f}"
        lines.append(f"{trend.whose + ' ' + trend.what:28}{figures}  {verdict}")
    return lines


def _lines(path: Path, things: Sequence[Any]) -> None:
    path.write_text("".join(json.dumps(asdict(thing)) + "\n" for thing in things), encoding="utf-8")
