"""The dashboard's pure parts, called in the browser: the search language, how figures read, layers of a graph."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.conftest import Desk


async def called(desk: Desk, module: str, expression: str) -> Any:
    """``expression`` with ``m`` as the module."""
    await desk.open("/queues")
    return await desk.page.evaluate(f"import('/dashboard/js/{module}.js').then((m) => {expression})")


@pytest.mark.parametrize(
    ("text", "query", "unknown"),
    [
        ("", "", []),
        ("status:failed type:resize", "status=FAILED&type=resize", []),
        ('tag:"two words" tag:b', "tag=two+words&tag=b", []),
        ("after:2026-01-31T00:00:00Z", "created_after=2026-01-31T00%3A00%3A00.000Z", []),
        ("01900000-0000-7000-8000-000000000000", "id=01900000-0000-7000-8000-000000000000", []),
        ("colour:red hello", "", ["colour:red", "hello"]),
        ("status:", "", ["status:"]),
        ("<b>", "", ["<b>"]),
    ],
    ids=["nothing", "two", "quoted", "time", "id", "unknown", "empty", "markup"],
)
async def test_a_search_is_read(desk: Desk, text: str, query: str, unknown: list[str]) -> None:
    found = await called(
        desk, "parts/search", f"(({{query, unknown}}) => [query.toString(), unknown])(m.parse({text!r}))"
    )
    assert found == [query, unknown]


async def test_a_search_is_completed(desk: Desk) -> None:
    known = "{types: ['resize'], queues: ['urgent']}"
    assert await called(desk, "parts/suggest", f"m.completions('sta', {known})") == ["status:"]
    assert await called(desk, "parts/suggest", f"m.completions('tag:a type:r', {known})") == ["tag:a type:resize"]
    assert await called(desk, "parts/suggest", f"m.completions('queue:urgent', {known})") == []


async def test_figures_read_well(desk: Desk) -> None:
    seconds = "[0, .0004, .25, 1.5, 42.25, 60, 3_725, 90_000, null].map(m.seconds)"
    assert await called(desk, "format", seconds) == [
        "0 ms", "0 ms", "250 ms", "1.50 s", "42.3 s", "1 min", "1 h 2 min", "1 d 1 h", "–",
    ]  # fmt: skip
    past = "[0, 5_000, 120_000, -7_200_000].map((ms) => m.ago(new Date(1e12 - ms).toISOString(), 1e12))"
    assert await called(desk, "format", past) == ["now", "5 s ago", "2 min ago", "in 2 h"]


async def test_nodes_stand_behind_those_they_wait_for(desk: Desk) -> None:
    after = {"d": ["b", "c"], "a": [], "b": ["a"], "c": ["a", "unknown"]}
    nodes = json.dumps([{"name": name, "after": before} for name, before in after.items()])
    depth = await called(desk, "parts/graph", f"Object.fromEntries(m.layers({nodes}))")
    assert depth == {"a": 0, "b": 1, "c": 1, "d": 2}
