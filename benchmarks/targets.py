"""What the service has to reach, each beside what was measured. Pure: documents in, rows of a table out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.results import Tracks, median, ratio, values

Parts = Mapping[str, Mapping[str, Any]]
"""``peers``, ``services``, ``engine``, ``growth``, ``browser``: those that were measured."""
ENGINE = {100: (12.0, 0.03), 10: (8.0, 0.25)}
"""By slots: times arq's rate, and round trips a job."""
OURS, OURS_200, CELERY, EMPTY = "ours", "ours 200", "FastAPI + Celery", "empty FastAPI"


@dataclass(frozen=True)
class Target:
    """One row: ``measured`` as text, ``is_reached`` None where nothing was measured."""

    figure: str
    reach: str
    measured: str
    is_reached: bool | None


def targets(parts: Parts) -> Iterator[Target]:
    yield from _drain(parts.get("peers", {}).get("tracks", {}))
    yield from _pick_up(parts.get("peers", {}).get("tracks", {}))
    yield from _engine(parts.get("engine", {}).get("tracks", {}))
    yield from _services(parts.get("services", {}).get("tracks", {}))
    yield from _growth(parts.get("growth", {}))
    yield from _browser(parts.get("browser", {}).get("tracks", {}))


def _drain(tracks: Tracks) -> Iterator[Target]:
    figure, by_hundreds = "drain of no-op tasks, each state committed", "pgqueuer 100"
    others = (name for name in tracks if not name.startswith(OURS) and name != by_hundreds)
    ahead = {name: value for name in others if (value := ratio(tracks, "drain", OURS, name)) is not None}
    nearest = min(ahead, key=lambda name: ahead[name], default=None)
    yield _least(figure, 1.0, ahead.get(nearest or ""), f"of the next, {nearest}")
    yield _least(figure, 8.5, ahead.get("arq"), "of arq")
    for ours, how in ((OURS, "claims of 50"), (OURS_200, "claims of 100")):
        yield _least(f"{figure}, {how}", 1.0, ratio(tracks, "drain", ours, by_hundreds), f"of {by_hundreds}")


def _pick_up(tracks: Tracks) -> Iterator[Target]:
    for percent, limit in ((50, 3.0), (99, 10.0)):
        measured = median(tracks, OURS, f"start_p{percent}")
        yield _most(f"idle pick-up, commit → handler entered, p{percent}", limit, measured, " ms")


def _engine(tracks: Tracks) -> Iterator[Target]:
    for slots, (reach, trips) in ENGINE.items():
        ours, arq = f"{OURS}, {slots} slots", f"arq, {slots} slots"
        yield _least(f"engine alone, arq jobs, {slots} slots", reach, ratio(tracks, "rate", ours, arq), "of arq")
        yield _most(f"its round trips a job, {slots} slots", trips, median(tracks, ours, "round_trips"), "")


def _services(tracks: Tracks) -> Iterator[Target]:
    yield _least("POST → 201, 64 connections", 8.0, ratio(tracks, "post", OURS, CELERY), f"of {CELERY}")
    yield _least("POST → 201, 64 connections", 0.6, ratio(tracks, "post", OURS, EMPTY), f"of an {EMPTY}")
    yield _most("POST → 201, p99", 3.0, ratio(tracks, "post_p99", OURS, EMPTY), f" × an {EMPTY}'s")
    yield _least("GET of a final task", 5.0, ratio(tracks, "get", OURS, CELERY), f"of {CELERY}")
    yield _least("GET of a final task", 0.5, ratio(tracks, "get", OURS, EMPTY), f"of an {EMPTY}")
    batch = median(tracks, OURS, "batch")
    yield Target(
        "batch submit over HTTP", "≥ 20,000 tasks/s", _shown(batch, " tasks/s"), _is(batch, lambda v: v >= 20_000)
    )


def _growth(growth: Mapping[str, Any]) -> Iterator[Target]:
    for part, label in (("waiting", "tasks waiting"), ("history", "rows")):
        tracks: Tracks = growth.get(part, {})
        sizes = list(tracks)
        span = f"{int(sizes[0]):,} to {int(sizes[-1]):,} {label}" if sizes else label
        for figure, name in (
            ("claim_by_order", "claim by order"),
            ("claim_by_ids", "claim by hint"),
            ("get_p99", "GET, p99"),
        ):
            grown = _grown(tracks, figure)
            yield _most(f"{name}, {span}", 1.2, grown, " × the smallest size's")
    crowd: Tracks = growth.get("workers", {}).get(OURS, {})
    yield _least("drain by 8 workers", 0.9, ratio(crowd, "drain", "8", "2"), "of 2 workers'")
    long_run: Tracks = {OURS: growth.get("long_run", {})}
    yield _most("idle worker, Redis commands", 10.0, median(long_run, OURS, "redis_commands_s"), "/s")
    yield _most("idle worker, PostgreSQL statements", 5.0, median(long_run, OURS, "statements_s"), "/s")
    memory = values(long_run, OURS, "memory_mib")
    yield _most("worker's memory, idle", 120.0, memory[0] if memory else None, " MiB")
    yield _most(
        "worker's memory, last quarter of many tasks", 1.1, memory[-1] / memory[1] if memory else None, " × the first's"
    )


def _browser(tracks: Tracks) -> Iterator[Target]:
    late = median(tracks, OURS, "late_p50")
    yield _most("event (progress, token), handler → browser, p50", 10.0, late, " ms")


def _grown(tracks: Tracks, figure: str) -> float | None:
    """The largest size's median by the smallest's."""
    medians = [statistics.median(found) for name in tracks if (found := values(tracks, name, figure))]
    return medians[-1] / medians[0] if len(medians) > 1 else None


def _least(figure: str, least: float, measured: float | None, of: str) -> Target:
    return Target(figure, f"≥ {least:g} × that {of}", _shown(measured, " ×"), _is(measured, lambda v: v >= least))


def _most(figure: str, most: float, measured: float | None, unit: str) -> Target:
    return Target(figure, f"≤ {most:g}{unit}", _shown(measured, unit), _is(measured, lambda v: v <= most))


def _is(measured: float | None, reached: Callable[[float], bool]) -> bool | None:
    return None if measured is None else reached(measured)


def _shown(measured: float | None, unit: str) -> str:
    if measured is None:
        return "not measured"
    return f"{measured:,.0f}{unit}" if measured >= 1_000 else f"{measured:.3g}{unit}"
