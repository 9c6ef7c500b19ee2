"""How ``top`` looks: a head, four tables that share the rows there are, a line of keys. Draws what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.styled import Styled
from rich.table import Table
from rich.text import Text

from service.cli.output import cells, one_line
from service.cli.top.board import Board
from service.cli.top.rows import Row, failures, queues, running, workers
from service.cli.views import task_sheet

BARS = "▁▂▃▄▅▆▇█"
WIDE = 110
"""Columns from which on ids are shown whole."""


@dataclass(frozen=True, slots=True)
class Section:
    """A table; ``rows`` are those there are, of which some may find no room."""

    headers: Sequence[str]
    rows: Sequence[Row]

    def table(self, most: int | None) -> Table:
        shown = self.rows if most is None else self._around_the_chosen(most)
        left = f" {len(shown)} of {len(self.rows)}" if len(shown) < len(self.rows) else ""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=True)
        for header in (self.headers[0] + left, *self.headers[1:]):
            table.add_column(header, no_wrap=True, overflow="ellipsis")
        # The last column takes what the others leave, and is cut: no row ever takes a second line.
        table.columns[-1].ratio = 1
        for row in shown:
            table.add_row(*cells(row.cells), style="reverse" if row.is_chosen else "")
        return table

    def _around_the_chosen(self, most: int) -> Sequence[Row]:
        chosen = next((number for number, row in enumerate(self.rows) if row.is_chosen), 0)
        start = max(0, chosen - most + 1)
        return self.rows[start : start + most]


def frame(board: Board, url: str, width: int, height: int) -> Layout:
    """One screenful."""
    head = _head(board, url, width)
    keys = Text(f"q quit   p pause   s sort: {board.order}   ↑ ↓ choose   enter open", style="dim", no_wrap=True)
    room = height - len(head) - 1
    screen = Layout()
    screen.split_column(
        Layout(Group(*head), size=len(head)), Layout(_body(board, width, room), name="body"), Layout(keys, size=1)
    )
    return screen


def whole(board: Board, url: str, width: int = WIDE) -> Group:
    """All there is, in as many lines as it takes."""
    tables = [part for section in _sections(board, width) for part in (Text(), section.table(None))]
    return Group(*_head(board, url, width), *tables)


def shares(room: int, wanted: Sequence[int]) -> list[int]:
    """Rows for each, dealt out one by one, so that no long table starves a short one."""
    given = [0] * len(wanted)
    while room > 0 and any(has < wants for has, wants in zip(given, wanted, strict=True)):
        for number, wants in enumerate(wanted):
            if room > 0 and given[number] < wants:
                given[number] += 1
                room -= 1
    return given


def spark(rates: Sequence[float | None], width: int) -> str:
    """The newest rates as bars of which the highest is full; a blank where the service did not know."""
    newest = list(rates)[-width:] if width > 0 else []
    top = max((rate for rate in newest if rate is not None), default=0.0) or 1.0
    return "".join(" " if rate is None else BARS[round(rate / top * (len(BARS) - 1))] for rate in newest)


def _body(board: Board, width: int, room: int) -> RenderableType:
    if board.is_open and board.task is not None:
        left = Text("as it was last seen: it ended since", style="yellow") if board.has_left else Text()
        return Group(left, task_sheet(board.task))
    sections = _sections(board, width)
    rows = shares(room - len(sections), [len(section.rows) for section in sections])
    tables = Group(*(section.table(most) for section, most in zip(sections, rows, strict=True)))
    return Styled(tables, "dim") if board.is_old else tables


def _sections(board: Board, width: int) -> list[Section]:
    seen, is_wide = board.seen, width >= WIDE
    return [
        Section(("QUEUE", "STATE", "WAITING", "DELAYED", "RUNNING", "OLDEST", "PER SECOND"), queues(seen)),
        Section(("WORKER", "HOST", "STATE", "BUSY", "BEAT", "UP", "QUEUES"), workers(seen, is_wide=is_wide)),
        Section(("RUNNING", "TYPE", "QUEUE", "FOR", "PROGRESS"), running(board, is_wide=is_wide)),
        Section(("FAILED", "TYPE", "QUEUE", "AGO", "ERROR"), failures(board, is_wide=is_wide)),
    ]


def _head(board: Board, url: str, width: int) -> list[Text]:
    seen = board.seen
    count, more = seen.counters(), "+" if seen.is_lower_bound else ""
    lines = [
        Text.assemble(("taskrunner top", "bold"), f"   {one_line(url)}   {seen.at.astimezone():%H:%M:%S}"),
        Text(
            f"waiting {count['waiting']}{more}   delayed {count['delayed']}{more}   "
            f"running {count['running']} of {count['slots']} slots   workers {count['workers']}"
        ),
        Text(_last_hour(board)),
        _rate(board, width),
    ]
    if (state := _state(board)) is not None:
        lines.append(state)
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return lines


def _last_hour(board: Board) -> str:
    if board.hour is None:
        return "last hour: not counted yet"
    total = board.hour.total
    share = "" if total.success_share is None else f"   {100 * total.success_share:.1f} % well"
    return f"last hour: completed {total.completed}   failed {total.failed}   cancelled {total.cancelled}{share}"


def _rate(board: Board, width: int) -> Text:
    rate = board.seen.throughput
    told = "ended a second: not known" if rate is None else f"ended a second: {rate:.1f}"
    return Text.assemble(f"{told}  ", (spark(board.rates, width - len(told) - 3), "cyan"))


def _state(board: Board) -> Text | None:
    if board.is_paused:
        return Text(f"paused {board.age:.0f} s ago: nothing is asked until p is pressed", style="yellow")
    if board.is_old:
        return Text(f"old: no answer for {board.age:.0f} s: {one_line(board.trouble or 'none yet')}", style="bold red")
    return None
