"""benchmarks/RESULTS.md: the kept results of every part as tables and bars, with machine, versions and method.

Written from the JSON files alone, so that a part can be measured again by itself.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import Tracks, median, ratio, saved, values
from benchmarks.targets import targets

RESULTS = Path(__file__).with_name("RESULTS.md")
PARTS = ("ours", "peers", "services", "engine", "growth", "browser")
BAR = 40
SIGNS = {True: "reached", False: "**missed**", None: "–"}
PEER_COLUMNS = (
    ("drain", "drain, tasks/s"),
    ("submit", "submit, tasks/s"),
    ("pick_up_p50", "pick-up p50, ms"),
    ("pick_up_p99", "p99, ms"),
    ("start_p50", "after the call, p50, ms"),
    ("cpu", "worker CPU, ms per 1,000"),
    ("trips", "round trips a task"),
    ("memory", "memory, MiB"),
)
SERVICE_COLUMNS = (
    ("post", "POST/s"),
    ("post_p99", "p99, ms"),
    ("post_cpu", "API CPU, µs"),
    ("post_busy", "POST/s with a worker"),
    ("finished", "finished, tasks/s"),
    ("get", "GET/s"),
    ("get_p99", "p99, ms"),
    ("batch", "batch, tasks/s"),
)
ENGINE_COLUMNS = (("rate", "jobs/s"), ("round_trips", "round trips a job"), ("cpu_us", "CPU, µs a job"))
BROWSER_COLUMNS = (("late_p50", "p50, ms"), ("late_p99", "p99, ms"))
SIZE_COLUMNS = (
    ("claim_by_order", "claim of ten by order, ms"),
    ("claim_by_ids", "by hint, ms"),
    ("get_p50", "GET p50, ms"),
    ("get_p99", "p99, ms"),
    ("commit", "one bare commit, ms"),
)
METHOD = """\
- One machine, one run: every queue on the same PostgreSQL (`fsync` and `synchronous_commit` on) and the same Valkey
  (append-only file, synced each second), emptied between them; in turn, round after round (A B C, A B C). Figures are
  medians of the rounds, the smallest and largest in brackets. A ratio is the median of the rounds' own ratios.
- A queue runs in an environment of its own, as its documentation recommends, started by its own command. The handler
  does nothing but note in shared memory that it was entered (a microsecond, the same for all).
- Submit: in the library's documented batch way; where it has none, 64 callers at once, or a loop where it blocks.
  Ours is the verb behind `POST`, without HTTP, as the others are called without.
- Drain: the tasks wait, then one worker starts; from the first handler entered until its store says that nothing is
  left, or to the last handler entered where something is left for good. It is not the same work for all: see what
  each keeps.
- Pick-up: from the submitting call to the handler's first line, one task at a time to an idle worker, by the machine's
  monotonic clock. The commit or the command to Redis is part of it. Pauses are spread over each one's poll. What it has
  to reach counts from the commit, which is when the submitting call returns.
- CPU: of the worker's processes, from `/proc`, while it drains. Memory: proportional set size, right after. Round
  trips: statements in PostgreSQL and reads from sockets in Valkey (a pipeline is one).
- Services: one API process behind the same uvicorn, one worker, 64 keep-alive connections, closed loop. The load client
  is one process on the same cores, the same for all. POST is measured without a worker and beside one; `finished`
  counts from the first POST until all is done, or ten seconds later.
- The engine alone: no-op arq functions on Valkey, by stock arq and by ours from the same keys, both under uvloop.
- Growth: rows made by `generate_series` in the real schema; the sizes stand side by side, each in a database of its
  own, and are measured in turn, round after round; claims go over a lane, as a worker's do. Of many rows the newest
  two thousand wait. Several workers are all up before a drain begins; PgQueuer's drain in turn with ours, as what a
  machine of few cores gives many processes depends on its caches more than on the queue. An idle worker is asked half a
  minute after its start.
- Events in a browser: a task says the time, as tokens and as progress; an EventSource in headless chromium compares it
  with its own clock. One API, one worker, the browser on the same cores.
"""


def write() -> None:
    """The page of everything that is kept."""
    parts = {part: found for part in PARTS if (found := saved(part)) is not None}
    head = "# What was measured\nWritten by `make bench-peers ARGS=--write` and `make bench ARGS=--write`; raw figures"
    RESULTS.write_text(f"{head} in `results/`.\n\n{page(parts)}\n## Method\n{METHOD}", encoding="utf-8")


def page(parts: Mapping[str, Any]) -> str:
    """The parts as Markdown."""
    sections = [
        _section("What it has to reach", _targets(parts)),
        _section("Beside other queues", _peers(parts["peers"])) if "peers" in parts else "",
        _section("As whole services", _services(parts["services"])) if "services" in parts else "",
        _section("The engine alone", _engine(parts["engine"])) if "engine" in parts else "",
        _section("Growth", _growth(parts["growth"])) if "growth" in parts else "",
        _section("Events in a browser", _browser(parts["browser"])) if "browser" in parts else "",
        _section("Beside its own yardsticks", _ours(parts["ours"])) if "ours" in parts else "",
    ]
    return "\n".join(section for section in sections if section)


def _section(title: str, lines: Iterable[str]) -> str:
    return f"## {title}\n" + "\n".join(lines) + "\n"


def _targets(parts: Mapping[str, Any]) -> Iterator[str]:
    rows = [(one.figure, one.reach, one.measured, SIGNS[one.is_reached]) for one in targets(parts)]
    yield from table(("figure", "reach", "measured", ""), rows)


def _peers(part: Mapping[str, Any]) -> Iterator[str]:
    yield from _where(part)
    tracks: Tracks = part.get("tracks", {})
    names = sorted(tracks, key=lambda name: -(median(tracks, name, "drain") or 0))
    yield from table(("queue", *(label for _, label in PEER_COLUMNS)), _figures(tracks, names, PEER_COLUMNS))
    yield from _failures(tracks)
    yield from ("", "Drained tasks a second; ■ each end is committed to PostgreSQL, □ Redis alone:")
    durable = {name for name in names if part["facts"][name]["is_durable"]}
    yield from bars({name: median(tracks, name, "drain") for name in names}, durable)
    facts = [
        (name, ", ".join(part["facts"][name]["packages"]) or "this tree", *_kept(part["facts"][name])) for name in names
    ]
    yield from ("", *table(("queue", "packages", "settings", "keeps of a finished task"), facts))


def _kept(facts: Mapping[str, Any]) -> tuple[str, str]:
    return facts["settings"], facts["keeps"]


def _services(part: Mapping[str, Any]) -> Iterator[str]:
    yield from _where(part)
    tracks: Tracks = part.get("tracks", {})
    yield from table(("service", *(label for _, label in SERVICE_COLUMNS)), _figures(tracks, tracks, SERVICE_COLUMNS))
    yield from _failures(tracks)
    if "ceiling" in part:
        yield f"\nThe load client's own ceiling, against a server that costs nothing: {part['ceiling']:,} requests/s."
    for figure, label in (("post", "POST → 201 a second"), ("finished", "Tasks finished a second, end to end")):
        rates = {name: found for name in tracks if (found := median(tracks, name, figure)) is not None}
        yield from ("", f"{label}:", *bars(rates, set(rates)))
    facts = [
        (name, ", ".join(one["packages"]) or "this tree", one["settings"])
        for name, one in part.get("facts", {}).items()
    ]
    yield from ("", *table(("service", "packages", "settings"), facts))


def _engine(part: Mapping[str, Any]) -> Iterator[str]:
    yield from _where(part)
    tracks: Tracks = part.get("tracks", {})
    yield from table(("worker", *(label for _, label in ENGINE_COLUMNS)), _figures(tracks, tracks, ENGINE_COLUMNS))


def _growth(part: Mapping[str, Any]) -> Iterator[str]:
    yield from _where(part)
    for key, label in (("waiting", "tasks waiting"), ("history", "rows")):
        tracks: Tracks = part.get(key, {})
        if tracks:
            named = [(f"{int(row[0]):,}", *row[1:]) for row in _figures(tracks, tracks, SIZE_COLUMNS, spread=False)]
            yield from (*table((label, *(column for _, column in SIZE_COLUMNS)), named), "")
    for name, by_number in part.get("workers", {}).items():
        rates = {f"{number} workers": median(by_number, number, "drain") for number in by_number}
        yield from (f"{name}, drained tasks a second:", *bars(rates, set(rates)), "")
        if kept := ratio(by_number, "drain", "8", "2"):
            rounds = len(values(by_number, "8", "drain"))
            yield from (f"8 workers beside 2, median of {rounds} rounds: {number(kept)} ×.", "")
    memory = part.get("long_run", {}).get("figures", {}).get("memory_mib", [])
    if memory:
        tasks, shown = part["reach"]["memory_tasks"], ", ".join(map(number, memory))
        yield f"A worker's memory, idle and after each quarter of {tasks:,} tasks, MiB: {shown}."


def _browser(part: Mapping[str, Any]) -> Iterator[str]:
    yield from _where(part)
    tracks: Tracks = part.get("tracks", {})
    yield from table(
        ("handler → page", *(label for _, label in BROWSER_COLUMNS)), _figures(tracks, tracks, BROWSER_COLUMNS)
    )


def _ours(part: Mapping[str, Any]) -> Iterator[str]:
    yield from _where(part)
    yield part["table"]
    yield ""
    yield part["method"]


def _where(part: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"- {fact}" for fact in part.get("where", ()))
    if "failure" in part:
        yield f"- **failed**: {part['failure']}"
    yield ""


def _failures(tracks: Tracks) -> Iterator[str]:
    for name, track in tracks.items():
        if track["failure"]:
            yield f"\n{name} **failed**, {track['failure']}"
        yield from (f"\n{name}: {remark}." for remark in track["remarks"])


def _figures(
    tracks: Tracks, names: Iterable[str], columns: Sequence[tuple[str, str]], *, spread: bool = True
) -> list[tuple[str, ...]]:
    return [(name, *(_cell(values(tracks, name, figure), spread=spread) for figure, _ in columns)) for name in names]


def _cell(found: list[float], *, spread: bool) -> str:
    if not found:
        return "–"
    middle = number(statistics.median(found))
    return f"{middle} ({number(min(found))}–{number(max(found))})" if spread and len(found) > 1 else middle


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Markdown."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def bars(found: Mapping[str, float | None], filled: set[str]) -> Iterator[str]:
    """One line each, the longest as long as ``BAR``."""
    known = {name: value for name, value in found.items() if value}
    width, most = max(map(len, known), default=0), max(known.values(), default=1.0)
    yield "```text"
    for name, value in known.items():
        sign = "■" if name in filled else "□"
        yield f"{name:<{width}} {sign * max(1, round(value / most * BAR))} {number(value)}"
    yield "```"
