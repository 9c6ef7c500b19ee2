"""The page of log lines is what the code writes: every event once, with its levels; and those that pages name exist."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from tests.house.pages import page, pages
from tests.house.tree import PACKAGES, modules

EVENT = re.compile(r"[a-z]+(?:_[a-z]+)+")
LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR"}
SEARCHED = re.compile(r"\bjournalctl\b.* -g '?([a-z_|]+)'?")


def written() -> dict[str, set[str]]:
    """The levels at which the code writes each event."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in modules(*PACKAGES):
        for call in ast.walk(module.tree):
            if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                event, levels = call.args[0].value, set(levels_of(call.func))
                if levels and isinstance(event, str) and EVENT.fullmatch(event):
                    found[event] |= levels
    return found


def levels_of(function: ast.expr) -> Iterator[str]:
    match function:
        case ast.Attribute(value=ast.Name(id="log") | ast.Attribute(attr="log"), attr=attr) if attr in LEVELS:
            yield LEVELS[attr]
        case ast.Name(id="write"):  # chosen between two, in service/middleware/context.py
            yield from ("INFO", "DEBUG")


def explained() -> dict[str, set[str]]:
    rows = [row for row in page("docs/logs.md").rows if row[0].startswith("`")]
    return {event: set(row[1].split(", ")) for row in rows for event in re.findall(r"`(\w+)`", row[0])}


def test_every_line_that_is_written_is_explained_with_its_level() -> None:
    assert explained() == written()


def test_what_pages_search_the_logs_for_is_written() -> None:
    known = written()
    searched = {
        name
        for each in pages()
        for code in each.code
        for names in SEARCHED.findall(code)
        for name in names.split("|")
        if EVENT.fullmatch(name)
    }
    assert searched
    assert searched - known.keys() == set()
