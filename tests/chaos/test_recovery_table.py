"""The table of recovery times is what the reports say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import recovery_table
from tests.support.recovery_table import main, read, table


def report(path: Path, **seconds: float) -> Path:
    lines = [json.dumps({"fault": fault, "seconds": took, "limit": 3.0}) for fault, took in seconds.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_each_fault_is_shown_with_the_least_and_the_most_of_all_runs(tmp_path: Path) -> None:
    runs = [report(tmp_path / "1", b=0.5, A=1.0), report(tmp_path / "2", b=0.25)]
    assert list(table(read(runs)))[2:] == ["| A | 1.00 | 3 |", "| b | 0.25–0.50 | 3 |"]


def test_only_its_place_on_the_page_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setattr(recovery_table, "PAGE", page)
    page.write_text("before\n<!-- recoveries -->\nold\n<!-- /recoveries -->\nafter\n", encoding="utf-8")
    main([str(report(tmp_path / "1", a=1.0))])
    said = page.read_text(encoding="utf-8")
    assert said.startswith("before\n<!-- recoveries -->\n| fault |")
    assert said.endswith("| a | 1.00 | 3 |\n<!-- /recoveries -->\nafter\n")
    page.write_text("no place", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks"):
        main([])
