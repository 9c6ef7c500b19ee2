"""The dashboard's pure parts, called in the browser: the search language, how figures read, layers of a graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.browser.conftest import Desk, desk_at
from tests.e2e.conftest import Service


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


async def test_a_day_is_the_readers_and_times_say_their_zone(
    browser: Browser, service: Service, pictures: Path, look: dict[str, Any]
) -> None:
    async with desk_at(browser, service.url, pictures, {**look, "timezone_id": "Asia/Tokyo"}) as desk:
        day = await called(desk, "parts/search", "m.parse('after:2026-01-31').query.get('created_after')")
        assert day == "2026-01-30T15:00:00.000Z"
        assert "9:00:00 AM GMT+9" in await called(desk, "format", "m.full('2026-01-31T00:00:00Z')")


async def test_numbers_keep_their_digits(desk: Desk) -> None:
    text = '{"a":9007199254740993,"b":[-1e400,1.5,9007199254740991],"c":"1"}'
    assert await called(desk, "json", f"JSON.stringify(m.parse({text!r}))") == text


async def test_what_stays_keeps_the_focus_when_what_stood_above_it_goes(desk: Desk) -> None:
    script = """((names) => {
        const list = (names) => m.h("ul", {}, names.map((name) =>
            m.h("li", { "data-key": name }, m.h("button", { id: `own-${name}` }, name))));
        const old = document.body.appendChild(list(["a", "b", "c", "d"]));
        old.querySelector("#own-c").focus();
        m.patch(old, list(["b", "new", "c", "d"]));
        const found = [document.activeElement.id, old.textContent];
        old.remove();
        return found;
    })()"""
    assert await called(desk, "dom", script) == ["own-c", "bnewcd"]


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
