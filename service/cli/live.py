"""Running tasks on stderr: a bar for each where a person looks, else a plain line for each change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Task as Bar
from rich.text import Text

from service.cli.output import err, one_line, status_text
from service.cli.views import progress_of

if TYPE_CHECKING:
    from service.client.models import Task

Shown: TypeAlias = "Callable[[str, Task], None]"
"""Shows that the task under this name changed."""
MESSAGE_WIDTH = 48
LONGEST_STATUS = len("PROCESSING")


@contextmanager
def shown_live(console: Console | None = None) -> Iterator[Shown]:
    """Bars that stay for as long as the block runs, or plain lines."""
    console = console or err()
    if not console.is_terminal:
        yield as_lines(console)
        return
    columns = (
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f} %"),
        _StatusColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False, style="dim"),
    )
    # What is said meanwhile is not to be taken for a message.
    with Progress(*columns, console=console, redirect_stdout=False) as progress:
        yield _as_bars(progress)


class _StatusColumn(ProgressColumn):
    """The status in its colour, padded so that what follows stays aligned."""

    def render(self, task: Bar) -> Text:
        text = status_text(task.fields["status"])
        text.pad_right(max(0, LONGEST_STATUS - len(text)))
        return text


def _as_bars(progress: Progress) -> Shown:
    bars: dict[str, TaskID] = {}

    def shown(name: str, task: Task) -> None:
        if name not in bars:
            bars[name] = progress.add_task(one_line(name), total=100, status=task.status, message="")
        percent = 100.0 if task.is_completed else task.progress.percent if task.progress else None
        message = "" if task.is_completed else one_line(_message(task), MESSAGE_WIDTH)
        progress.update(bars[name], completed=percent, status=task.status, message=message)
        if task.is_final:
            progress.stop_task(bars[name])

    return shown


def as_lines(console: Console) -> Shown:
    """A line wherever something changed."""
    last: dict[str, str] = {}

    def shown(name: str, task: Task) -> None:
        line = f"{one_line(name):<24} {one_line(task.status):<{LONGEST_STATUS}} {one_line(_message(task))}".rstrip()
        if last.get(name) != line:
            console.print(Text(line), soft_wrap=True)
        last[name] = line

    return shown


def _message(task: Task) -> str:
    if task.error is not None and not task.is_completed:
        return f"{task.error.type}: {task.error.message}"
    return "" if task.is_final else progress_of(task)
