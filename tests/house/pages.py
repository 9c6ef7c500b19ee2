"""The Markdown pages, taken apart: fenced blocks, code in the text, tables, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.house.tree import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block. ``bash`` and ``python`` ones are run; ``console`` ones hold commands behind ``$``."""

    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its command lines, continued ones joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        match self.language:
            case "bash":
                return [line for line in lines if line.strip()]
            case "console":
                return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
            case _:
                return []


@dataclass(frozen=True)
class Page:
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> list[Block]:
        return [Block(language, text) for language, text in FENCE.findall(self.text)]

    @cached_property
    def prose(self) -> str:
        return FENCE.sub("", self.text)

    @property
    def code(self) -> list[str]:
        """Commands of the blocks, and what stands in backticks in the text."""
        return [*(command for block in self.blocks for command in block.commands), *INLINE.findall(self.prose)]

    @property
    def links(self) -> list[str]:
        return LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """As GitHub makes them: lower case, no punctuation, hyphens for blanks."""
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(self.prose)}

    @property
    def rows(self) -> Iterator[list[str]]:
        """The cells of every row of every table, headers too."""
        for line in self.prose.splitlines():
            if line.startswith("|") and not set(line) <= set("|-: "):
                yield [cell.strip() for cell in line.strip("|").split("|")]


def page(name: str) -> Page:
    return Page(ROOT / name)


def pages() -> list[Page]:
    """Every page a reader may be sent to."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [Page(path) for path in sorted(paths)]
