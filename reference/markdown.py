"""Markdown in pieces: tables, headings, prose from docstrings, and JSON that is short enough to be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 112


def blocks(*parts: str) -> str:
    """The parts that are not empty, a blank line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def prose(text: str) -> str:
    """A docstring as Markdown: lines joined, paragraphs and indented blocks kept."""
    paragraphs = re.split(r"\n\s*\n", text.strip("\n"))
    return "\n\n".join(_paragraph(paragraph) for paragraph in paragraphs if paragraph.strip())


def _paragraph(text: str) -> str:
    if all(line.startswith("    ") for line in text.splitlines()):
        return fenced("text", "\n".join(line[4:] for line in text.splitlines()))
    return line_of(text)


def line_of(text: str) -> str:
    """On one line, with Markdown's backticks for those of a docstring."""
    return " ".join(text.split()).replace("``", "`")


def first_line(text: str) -> str:
    """The first paragraph, on one line."""
    return line_of(re.split(r"\n\s*\n", text.strip())[0])


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing where there are no rows."""
    written = [_row(cells) for cells in rows]
    return "\n".join([_row(headers), "|---" * len(headers) + "|", *written]) if written else ""


def _row(cells: Sequence[str]) -> str:
    # A bar ends a cell, in code, too.
    return "| " + " | ".join(line_of(cell).replace("|", "\\|") for cell in cells) + " |"


def code(text: object) -> str:
    return f"`{text}`"


def either(words: Iterable[str]) -> str:
    """``a, b or c``."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def link_to(title: str) -> str:
    """A link to the heading ``title`` of the same page."""
    return f"[{title}](#{anchor(title)})"


def anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def json_block(value: Any) -> str:
    return fenced("json", shown(value))


def shown(value: Any, indent: int = 0) -> str:
    """JSON whose lines are as full as ``WIDTH`` allows."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + len(flat) <= WIDTH or not isinstance(value, (dict, list)):
        return flat
    if isinstance(value, dict):
        items = [f"{json.dumps(name, ensure_ascii=False)}: {shown(one, indent + 1)}" for name, one in value.items()]
        return "{" + _filled(items, indent + 1) + "}"
    return "[" + _filled([shown(one, indent + 1) for one in value], indent + 1) + "]"


def _filled(items: Sequence[str], indent: int) -> str:
    lines = [""]
    for number, item in enumerate(items, start=1):
        piece = item if number == len(items) else f"{item},"
        is_full = indent + len(lines[-1]) + 1 + len(piece) > WIDTH
        if lines[-1] and (is_full or "\n" in piece or "\n" in lines[-1]):
            lines.append(piece)
        else:
            lines[-1] = f"{lines[-1]} {piece}".lstrip()
    return ("\n" + " " * indent).join(lines)
