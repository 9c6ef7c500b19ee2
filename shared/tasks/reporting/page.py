"""The report as one self-contained HTML page: figures, charts, table. Pure; everything shown is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from string import Template

from shared.domain.run import StatsRow
from shared.tasks.reporting.charts import Bar, Segment, bar_chart

MOST_BARS = 20
HEADINGS = ("Type", "Queue", "Submitted", "Completed", "Failed", "Cancelled", "Retried",
            "Wait p50", "Wait p95", "Run p50", "Run p95")  # fmt: skip

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { --paper: #fff; --ink: #1c2128; --soft: #636c76; --line: #d8dee4; --panel: #f6f8fa;
        --good: #2da44e; --bad: #cf222e; --idle: #8c959f; --open: #bf8700; --main: #0969da; }
@media (prefers-color-scheme: dark) {
:root { --paper: #0d1117; --ink: #e6edf3; --soft: #8d96a0; --line: #30363d; --panel: #161b22;
        --good: #3fb950; --bad: #f85149; --idle: #6e7681; --open: #d29922; --main: #4493f8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
       font: 16px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2.5rem 0 .75rem; font-size: 1.1rem; }
p { margin: .25rem 0; color: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .75rem; margin: 1.5rem 0 0; }
.figures div { padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--panel); }
.figures dt { color: var(--soft); font-size: .85rem; } .figures dd { margin: 0; font-size: 1.5rem; font-weight: 600; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font-size: 13px; dominant-baseline: central; }
svg .label { text-anchor: end; } svg .value { fill: var(--soft); }
.good { fill: var(--good); color: var(--good); } .bad { fill: var(--bad); color: var(--bad); }
.idle { fill: var(--idle); color: var(--idle); } .open { fill: var(--open); color: var(--open); }
.main { fill: var(--main); }
.key span { margin-right: 1rem; } .key b { font-weight: 400; color: var(--soft); }
.wide { overflow-x: auto; } table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: 500; } th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
</style>
</head>
<body>
<header><h1>$title</h1><p>$window</p><p>$made</p></header>
<main>
<dl class="figures">$figures</dl>
$body
</main>
</body>
</html>
""")

EMPTY = "<h2>Nothing happened</h2><p>No task was created in this window.</p>"
OUTCOMES = (("completed", "good"), ("failed", "bad"), ("cancelled", "idle"), ("open", "open"))


def report_page(rows: Sequence[StatsRow], since: datetime, until: datetime, made_at: datetime) -> str:
    """The page for the tasks created in [since, until). Times in ``rows`` are seconds."""
    return PAGE.substitute(
        title="Task report",
        window=f"Tasks created from {_moment(since)} until {_moment(until)}",
        made=f"Made {_moment(made_at)}",
        figures="".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in _figures(rows)),
        body=f"{_outcomes(rows)}{_run_times(rows)}{_table(rows)}" if rows else EMPTY,
    )


def _figures(rows: Sequence[StatsRow]) -> list[tuple[str, str]]:
    completed, failed = sum(r.completed for r in rows), sum(r.failed for r in rows)
    ended = completed + failed
    return [
        ("Submitted", f"{sum(r.submitted for r in rows):,}"),
        ("Completed", f"{completed:,}"),
        ("Failed", f"{failed:,}"),
        ("Retried", f"{sum(r.retried for r in rows):,}"),
        ("Success", f"{100 * completed / ended:.1f} %" if ended else "–"),
    ]


def _outcomes(rows: Sequence[StatsRow]) -> str:
    busiest = sorted(rows, key=lambda r: (-r.submitted, r.type, r.queue))[:MOST_BARS]
    bars = [Bar(_name(row), _segments(row), f"{row.submitted:,}") for row in busiest]
    key = "".join(f'<span class="{tone}">■ <b>{name}</b></span>' for name, tone in OUTCOMES)
    title = "What became of them"
    return f'<h2>{title}</h2><p class="key">{key}</p>{bar_chart(title, bars)}'


def _segments(row: StatsRow) -> tuple[Segment, ...]:
    counts = {"completed": row.completed, "failed": row.failed, "cancelled": row.cancelled}
    counts["open"] = max(row.submitted - sum(counts.values()), 0)
    return tuple(Segment(name, counts[name], tone) for name, tone in OUTCOMES)


def _run_times(rows: Sequence[StatsRow]) -> str:
    slowest = sorted((r for r in rows if r.run_p95 is not None), key=lambda r: -(r.run_p95 or 0.0))[:MOST_BARS]
    if not slowest:
        return ""
    title = "Run time, 95th percentile"
    bars = [Bar(_name(r), (Segment("s", r.run_p95 or 0.0, "main"),), _seconds(r.run_p95)) for r in slowest]
    return f"<h2>{title}</h2>{bar_chart(title, bars)}"


def _table(rows: Sequence[StatsRow]) -> str:
    head = "".join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(row))}</tr>" for row in rows)
    return (
        f'<h2>By type and queue</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(row: StatsRow) -> list[str]:
    counts = (row.submitted, row.completed, row.failed, row.cancelled, row.retried)
    times = (row.wait_p50, row.wait_p95, row.run_p50, row.run_p95)
    return [row.type, row.queue, *(f"{count:,}" for count in counts), *(_seconds(value) for value in times)]


def _name(row: StatsRow) -> str:
    return f"{row.type} · {row.queue}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:,.1f} s"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
