"""Reports: the window asked for, two files that hold it, and nothing in them that was not escaped."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.run import StatsRow
from shared.tasks.generate_report import ReportInput, ReportOutput, generate_report, window_of
from shared.tasks.reporting.charts import Bar, Segment, bar_chart
from shared.tasks.reporting.page import report_page
from shared.tasks.reporting.sheet import report_sheet
from shared.testing import FakeRun

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS = [
    StatsRow("text_generation", "ai_processing", 120, 100, 10, 5, 7, 0.01, 0.2, 1.5, 4.25),
    StatsRow("simple_calculation", "demo_tasks", 9, 9, 0, 0, 0, 0.002, 0.004, 0.001, 0.003),
    StatsRow("unreliable_task", "urgent", 3, 0, 0, 0, 0, None, None, None, None),
]


class Tags(HTMLParser):
    """Every tag with its attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_a_report_is_stored_as_page_and_sheet(run: FakeRun) -> None:
    run.stats.rows = ROWS
    since, until = NOW - timedelta(days=30), NOW
    result = await generate_report(run.awaited, ReportInput(since=since, until=until))
    assert isinstance(result, ReportOutput)
    assert result.rows == 3
    assert run.stats.windows == [(since, until)]
    page, sheet = run.files.get(result.files.html), run.files.get(result.files.csv)
    assert (page.name, page.media_type) == ("report_20260130T120000Z_20260301T120000Z.html", "text/html")
    assert (sheet.name, sheet.media_type) == ("report_20260130T120000Z_20260301T120000Z.csv", "text/csv")
    assert page.path.read_text().startswith("<!doctype html>")
    assert sheet.path.read_bytes() == report_sheet(ROWS).encode()


@pytest.mark.parametrize(
    ("given_window", "expected"),
    [
        ({}, (NOW - timedelta(hours=24), NOW)),
        ({"since": "2026-02-28T00:00:00Z"}, (datetime(2026, 2, 28, tzinfo=UTC), NOW)),
        (
            {"until": "2026-01-02T01:00:00+01:00"},
            (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
        ),
    ],
)
def test_what_is_left_out_of_the_window_is_filled_in(
    given_window: dict[str, str], expected: tuple[datetime, datetime]
) -> None:
    assert window_of(ReportInput.model_validate(given_window), NOW) == expected


@pytest.mark.parametrize(
    "given_window",
    [
        {"since": "2026-01-02T00:00:00Z", "until": "2026-01-02T00:00:00Z"},
        {"since": "2024-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"since": "2026-01-02T00:00:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"until": "9999-12-31T23:59:59-12:00"},
        {"until": "yesterday"},
    ],
)
def test_an_unsound_window_is_refused(given_window: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ReportInput.model_validate(given_window)


def test_a_start_after_now_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="before until"):
        window_of(ReportInput(since=NOW + timedelta(days=1)), NOW)


def test_the_page_needs_nothing_from_outside_and_runs_nothing() -> None:
    page = Tags(report_page(ROWS, NOW - timedelta(days=1), NOW, NOW))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "a", "base", "form"}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name in {"src", "href"}]


def test_the_page_shows_every_row_and_its_figures() -> None:
    page = Tags(report_page(ROWS, NOW - timedelta(days=1), NOW, NOW))
    assert [tag for tag, _ in page.tags].count("tr") == 1 + len(ROWS)
    assert [tag for tag, _ in page.tags].count("svg") == 2
    for shown in ("text_generation", "2026-02-28 12:00:00 UTC", "132", "91.6 %", "200 ms", "4.2 s", "–"):
        assert shown in page.text


def test_a_page_without_rows_says_so() -> None:
    page = report_page([], NOW - timedelta(days=1), NOW, NOW)
    assert "No task was created in this window" in page
    assert "<svg" not in page


@given(st.text(max_size=60), st.floats(0, 1e9))
def test_no_name_can_break_out_of_the_markup(name: str, seconds: float) -> None:
    hostile = StatsRow(name + "<script>\"'&", name, 1, 1, 0, 0, 0, seconds, seconds, seconds, seconds)
    page = Tags(report_page([hostile], NOW - timedelta(days=1), NOW, NOW))
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


@given(st.lists(st.tuples(st.text("abc<&\"'>", max_size=40), st.floats(0, 1e12)), max_size=5))
def test_a_chart_is_well_formed_and_no_bar_leaves_it(values: list[tuple[str, float]]) -> None:
    bars = [Bar(label, (Segment("half", v / 2, "good"), Segment("rest", v / 2, "bad")), "x") for label, v in values]
    svg = ET.fromstring(bar_chart('a "title" <&>', bars))  # noqa: S314 — our own output
    width = float(svg.attrib["viewBox"].split()[2])
    for rect in svg.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(rect.attrib["x"]) + float(rect.attrib["width"]) <= width


def test_the_sheet_reads_back_as_it_was() -> None:
    lines: list[dict[str, Any]] = list(csv.DictReader(report_sheet(ROWS).splitlines()))
    assert [line["type"] for line in lines] == [row.type for row in ROWS]
    assert (lines[0]["submitted"], lines[0]["run_p95"], lines[2]["run_p95"]) == ("120", "4.25", "")
