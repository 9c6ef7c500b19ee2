"""Whether what is held stays the same: medians of the first and the last third of calm samples, after a warm-up.

Pure. Medians, because one sample in a storm says nothing; Theil and Sen's slope stands beside them for the reader.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.soak.sampling import Sample

WARM_UP_SHARE = 0.2
"""Of the time; memory and pools fill."""
LEAST_SAMPLES = 15
YOUNG_SECONDS = 8.0
TOLERANCES = {
    "rss_mib": (8.0, 0.10),
    "fds": (6.0, 0.10),
    "threads": (3.0, 0.0),
    "children": (8.0, 0.0),  # warm ones stay: the pool of a worker with eight slots may fill
    "postgres_connections": (8.0, 0.0),
    "redis_clients": (8.0, 0.0),
}
"""How far the last third may lie above the first: so much, or such a share of it, whichever is more."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure over the soak. ``is_flat`` None: too few samples to tell."""

    whose: str
    what: str
    first: float
    last: float
    most: float
    slope_per_hour: float
    is_flat: bool | None


def trends(samples: Sequence[Sample], length: float) -> list[Trend]:
    """The veterans one by one, those that faults end as their mean, and what the stores count."""
    calm = [sample for sample in samples if sample.is_calm]
    return [trend_of(whose, what, points, WARM_UP_SHARE * length) for whose, what, points in _series(calm) if points]


def trend_of(whose: str, what: str, points: Sequence[Point], warm_at: float) -> Trend:
    """``points``: (seconds, value) in order."""
    warm = [point for point in points if point[0] >= warm_at] or list(points)
    third = max(1, len(warm) // 3)
    first, last = (statistics.median(value for _, value in part) for part in (warm[:third], warm[-third:]))
    absolute, share = TOLERANCES[what]
    is_flat = last - first <= max(absolute, share * first) if len(warm) >= LEAST_SAMPLES else None
    return Trend(whose, what, first, last, max(value for _, value in warm), 3_600 * slope(warm), is_flat)


def slope(points: Sequence[Point]) -> float:
    """Theil and Sen's: the median of the slopes between any two points; 0 for fewer than two."""
    pairs = itertools.combinations(points, 2)
    slopes = [(b - a) / (later - earlier) for (earlier, a), (later, b) in pairs if later > earlier]
    return statistics.median(slopes) if slopes else 0.0


def _series(calm: Sequence[Sample]) -> Iterator[tuple[str, str, list[Point]]]:
    names = sorted({name for sample in calm for name in sample.processes})
    for role in ("api", "worker"):
        veteran = f"{role}-1"
        others = [name for name in names if name.startswith(role) and name != veteran]
        for what in ("rss_mib", "fds", "threads", "children"):
            yield veteran, what, _means(calm, [veteran], what)
            yield f"other {role}s", what, _means(calm, others, what)
    for what in ("postgres_connections", "redis_clients"):
        counted = ((sample.at, getattr(sample, what)) for sample in calm)
        yield "the stores", what, [(at, float(count)) for at, count in counted if count is not None]


def _means(calm: Sequence[Sample], names: Sequence[str], what: str) -> list[Point]:
    points: list[Point] = []
    for sample in calm:
        grown = [sample.processes[name] for name in names if name in sample.processes]
        values = [float(getattr(held, what)) for held in grown if held.age >= YOUNG_SECONDS]
        if values:
            points.append((sample.at, statistics.mean(values)))
    return points
