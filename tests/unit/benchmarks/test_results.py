"""The page of results is written from what was kept, whatever of it failed or is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report, results, written
from benchmarks.measures import Figure, Plan
from benchmarks.peers.catalogue import ALL, chosen
from benchmarks.race import Track
from benchmarks.results import document, ratio
from benchmarks.targets import targets

FACTS = {"packages": [], "settings": "as it comes", "keeps": "nothing", "is_durable": True}


def track(**figures: list[float]) -> Track:
    return Track({name: list(values) for name, values in figures.items()})


def peers(**tracks: Track) -> dict[str, Any]:
    return {"where": ["here"], "facts": dict.fromkeys(tracks, FACTS), "tracks": document(tracks)}


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    tracks = document({"ours": track(drain=[100, 300, 900]), "arq": track(drain=[10, 10, 100])})
    assert ratio(tracks, "drain", "ours", "arq") == 10
    assert ratio(tracks, "drain", "ours", "saq") is None


def test_the_nearest_queue_decides_whether_ours_is_ahead() -> None:
    part = peers(ours=track(drain=[1_000.0]), arq=track(drain=[100.0]), huey=track(drain=[1_250.0]))
    nearest, arq, *_ = targets({"peers": part})
    assert ("huey" in nearest.reach, nearest.measured, nearest.is_reached) == (True, "0.8 ×", False)
    assert (arq.measured, arq.is_reached) == ("10 ×", True)


def test_batches_of_a_hundred_stand_beside_batches_of_a_hundred() -> None:
    drains = {"ours": 900.0, "ours 200": 1_100.0, "arq": 100.0, "pgqueuer 100": 1_000.0}
    part = peers(**{name: track(drain=[drain]) for name, drain in drains.items()})
    rows = {one.figure: one for one in targets({"peers": part}) if one.reach.endswith("pgqueuer 100")}
    assert [(row.measured, row.is_reached) for row in rows.values()] == [("0.9 ×", False), ("1.1 ×", True)]


def test_the_rates_of_workers_are_compared_round_by_round() -> None:
    growth = {"workers": {"ours": document({"2": track(drain=[100, 200, 100]), "8": track(drain=[95, 100, 95])})}}
    (row,) = (one for one in targets({"growth": growth}) if one.figure == "drain by 8 workers")
    assert (row.measured, row.is_reached) == ("0.95 ×", True)
    assert "8 workers beside 2, median of 3 rounds: 0.95 ×." in written.page({"growth": {"where": [], **growth}})


def test_events_are_late_by_the_median_of_the_rounds() -> None:
    part = {"where": ["here"], "tracks": document({"ours": track(late_p50=[3.0, 12.0, 4.0], late_p99=[9.0, 9.0, 9.0])})}
    (row,) = (one for one in targets({"browser": part}) if one.figure.startswith("event"))
    assert (row.measured, row.is_reached) == ("4 ms", True)
    assert "| ours | 4.00 (3.00–12.0) |" in written.page({"browser": part})


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    assert {(one.measured, one.is_reached) for one in targets({})} == {("not measured", None)}


def test_growth_is_the_largest_size_beside_the_smallest() -> None:
    sizes = {
        "1000": track(claim_by_order=[2.0]),
        "10000": track(claim_by_order=[9.0]),
        "100000": track(claim_by_order=[3.0]),
    }
    growth = {"waiting": document(sizes)}
    (row,) = (one for one in targets({"growth": growth}) if one.figure.startswith("claim by order, 1,000"))
    assert ("1.5" in row.measured, row.is_reached) == (True, False)


def test_a_queue_that_failed_stands_on_the_page_with_its_error() -> None:
    failed = Track()
    failed.fail("round 1", RuntimeError("some lines\nits worker ended"))
    odd = track(drain=[5.0])
    odd.remarks.append("2 of 5 tasks were never settled")
    page = written.page({"peers": peers(ours=track(drain=[1_000.0, 2_000.0]), saq=failed, huey=odd)})
    assert "huey: 2 of 5 tasks were never settled." in page
    assert "saq **failed**, round 1: its worker ended" in page
    assert "| ours | 1,500 (1,000–2,000) |" in page


def test_a_part_that_failed_as_a_whole_leaves_a_page() -> None:
    failed = {"where": ["here"], "failure": "no disk"}
    page = written.page(dict.fromkeys(("peers", "services", "engine", "growth", "browser"), failed))
    assert page.count("**failed**: no disk") == 5


def test_a_library_names_all_of_its_columns() -> None:
    assert [peer.name for peer in chosen("ours,pgqueuer")] == ["ours", "ours 200", "pgqueuer 100", "pgqueuer"]
    assert chosen(None) == ALL
    with pytest.raises(ValueError, match="unknown: rq"):
        chosen("arq,rq")


def test_what_is_kept_comes_back_as_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(written, "RESULTS", tmp_path / "RESULTS.md")
    results.save("peers", ["a machine"], peers(ours=track(drain=[1_234.56])))
    report.write([Figure("POST", "requests/s", [10.0, 20.0], [20.0, 20.0])], Plan(1, 1, 1, 1, 1, 1), ["another"])
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "- a machine" in page
    assert "| ours | 1,235 |" in page
    assert re.search(r"\| POST +\| +15.0 \| +20.0 \| +0.75 \|", page)
    assert page.index("## Method") > page.index("## Beside its own yardsticks")
