"""What commands write: data to stdout as a table, a JSON document or ids; messages to stderr.

Everything shown came from users of the service: no text of theirs may steer the terminal, or be read
as rich's markup.
"""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 200
"""Columns where no terminal says its width: wide enough that no id is cut."""

WRITTEN = frozenset("\n\u00a0\u1680\u202f\u205f\u3000\u200c\u200d") | {chr(n) for n in range(0x2000, 0x200B)}
"""What Python calls unprintable and people write: blanks of other widths, and the joiners of scripts and of emoji."""

GAP = 2
"""Blanks between columns."""

LEAST_WIDTH = 24
"""Columns that the last one of a table keeps in a narrow terminal."""

STYLES = {
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "magenta",
    "PROCESSING": "cyan",
    "RETRYING": "yellow",
}


class Form(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    ID = "id"


FormOption = Annotated[Form, typer.Option("--output", "-o", help="How to write the data.")]


def out() -> Console:
    """Where data goes. Made anew each time: the streams may have been replaced."""
    return _console(stderr=False)


def err() -> Console:
    """Where messages go."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if is_terminal or os.environ.get("COLUMNS") else PIPED_WIDTH
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def show(form: Form, document: Any, ids: Iterable[str], table: Callable[[], RenderableType]) -> None:
    """Write data in the form asked for."""
    match form:
        case Form.JSON:
            print(json_text(document, indent=2))
        case Form.ID:
            for id in ids:
                print(id)
        case Form.TABLE:
            out().print(table(), crop=False)


def json_text(document: Any, *, indent: int | None = None) -> str:
    """JSON that the standard output can write: escaped where that is not UTF-8."""
    is_utf8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
    return json.dumps(document, ensure_ascii=not is_utf8, indent=indent)


def note(message: str) -> None:
    """A message that is neither data nor an error."""
    err().print(Text(one_line(message), style="dim"), soft_wrap=True)


def complain(message: str, *details: str) -> None:
    """An error: one line, and one for each detail."""
    console = err()
    console.print(Text.assemble(("taskrunner: ", "bold red"), one_line(message)), soft_wrap=True)
    for detail in details:
        console.print(Text(f"  {one_line(detail)}"), soft_wrap=True)


class Listing(Table):
    """A table without frames whose words stay whole: only its last column is folded, and never below a readable width.

    A line that is too long even so goes on in the terminal's next one, as those of other programs do.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        *fixed, last = (max(map(cell_len, map(str, (column.header, *column.cells)))) for column in self.columns)
        room = options.max_width - sum(fixed) - GAP * len(fixed)
        if last > room:
            self.width = options.max_width - room + min(last, max(room, LEAST_WIDTH))
        yield from super().__rich_console__(console, options)


def columns(*headers: str) -> Listing:
    """An empty table."""
    table = Listing(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for header in headers:
        table.add_column(header, no_wrap=header != headers[-1], overflow="fold")
    return table


def status_text(status: str) -> Text:
    return Text(one_line(status), style=STYLES.get(status, "dim"))


def one_line(value: object, limit: int | None = None) -> str:
    """``value`` without line breaks and control characters, cut at ``limit``."""
    text = printable(" ".join(str(value).split()))
    return text if limit is None or len(text) <= limit else f"{text[: limit - 1]}…"


def printable(text: str) -> str:
    """Without what could move the cursor, change colours, turn the text or hide: of controls, line breaks stay."""
    return "".join(c if c.isprintable() or c in WRITTEN else "�" for c in text)


def compact(value: Any) -> str:
    """JSON on one line; texts as they are."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def cells(values: Sequence[object]) -> list[Text]:
    return [value if isinstance(value, Text) else Text(one_line(value)) for value in values]
