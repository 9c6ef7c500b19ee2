"""What was measured, as small JSON files beside the report: ``results/PART.json``, one a run of a part."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.race import Track

FOLDER = Path(__file__).with_name("results")
Figures = Mapping[str, list[float]]
Tracks = Mapping[str, Mapping[str, Any]]
"""By name: ``figures``, ``failure`` or None, and ``remarks``."""


def document(tracks: Mapping[Any, Track]) -> dict[str, dict[str, Any]]:
    return {
        str(name): {
            "figures": {figure: [_short(value) for value in values] for figure, values in track.figures.items()},
            "failure": track.failure,
            "remarks": track.remarks,
        }
        for name, track in tracks.items()
    }


def save(part: str, where: list[str], measured: Mapping[str, Any]) -> None:
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps({**measured, "where": where}, ensure_ascii=False, indent=1)
    (FOLDER / f"{part}.json").write_text(text + "\n", encoding="utf-8")


def saved(part: str) -> dict[str, Any] | None:
    """What the last run of a part kept."""
    path = FOLDER / f"{part}.json"
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def values(tracks: Tracks, name: str, figure: str) -> list[float]:
    """A figure's value of each round; none where it was not measured."""
    found: list[float] = tracks.get(name, {}).get("figures", {}).get(figure, [])
    return found


def median(tracks: Tracks, name: str, figure: str) -> float | None:
    found = values(tracks, name, figure)
    return statistics.median(found) if found else None


def ratio(tracks: Tracks, figure: str, one: str, other: str) -> float | None:
    """Median of the rounds' own ratios: each pair met the same noise."""
    pairs = list(zip(values(tracks, one, figure), values(tracks, other, figure), strict=False))
    return statistics.median(left / right for left, right in pairs) if pairs else None


def _short(value: float) -> float:
    """Four digits are more than the noise leaves."""
    return float(f"{value:.4g}")
