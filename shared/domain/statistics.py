"""Task statistics: which hours are worth another look, and how the counts of two spans become one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

from shared.domain.run import StatsRow

HOUR = timedelta(hours=1)


def looked_at_again(hour: datetime, *, days: int) -> list[datetime]:
    """The hours before ``hour`` whose unfinished tasks may have ended by now: 1, 2, 4, 8 … hours before it.

    The last look is ``days`` (the retention) before: after that tasks begin to leave. So an hour is computed some ten
    times, however long its tasks take.
    """
    span = days * 24
    ages = [2**power for power in range(span.bit_length()) if 2**power < span]
    return [hour - age * HOUR for age in (*ages, span)]


def merged(rows: Iterable[StatsRow]) -> list[StatsRow]:
    """One row for each type and queue. Percentiles of several spans become their mean by tasks: an estimate."""
    ordered = sorted(rows, key=_place)
    return [_one(list(same)) for _, same in groupby(ordered, key=_place)]


def _place(row: StatsRow) -> tuple[str, str]:
    return row.type, row.queue


def _one(rows: list[StatsRow]) -> StatsRow:
    if len(rows) == 1:
        return rows[0]
    return StatsRow(
        type=rows[0].type,
        queue=rows[0].queue,
        submitted=sum(row.submitted for row in rows),
        completed=sum(row.completed for row in rows),
        failed=sum(row.failed for row in rows),
        cancelled=sum(row.cancelled for row in rows),
        retried=sum(row.retried for row in rows),
        wait_p50=_mean([(row.wait_p50, row.submitted) for row in rows]),
        wait_p95=_mean([(row.wait_p95, row.submitted) for row in rows]),
        wait_p99=_mean([(row.wait_p99, row.submitted) for row in rows]),
        run_p50=_mean([(row.run_p50, row.submitted) for row in rows]),
        run_p95=_mean([(row.run_p95, row.submitted) for row in rows]),
        run_p99=_mean([(row.run_p99, row.submitted) for row in rows]),
    )


def _mean(samples: list[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in samples if value is not None]
    total = sum(weight for _, weight in known)
    return round(sum(value * weight for value, weight in known) / total, 6) if total else None
