"""bench: what a running service takes, as one client sees it. Asserts nothing; compares nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from service.cli.exits import ExitCode, refusals_end_the_command
from service.cli.inputs import finite
from service.cli.output import Form, FormOption, cells, columns, complain, err, note, show

if TYPE_CHECKING:
    from rich.console import Console

    from service.cli.measuring import Figures, Spread, Tell

MOST_CONNECTIONS = 20
"""As many as the client keeps alive; beyond them it would measure connecting."""


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(bench)


def bench(
    tasks: Annotated[int, typer.Option(min=10, max=10_000, help="Tasks to submit under load.")] = 1_000,
    connections: Annotated[int, typer.Option(min=1, max=MOST_CONNECTIONS, help="Callers at once.")] = 16,
    seconds: Annotated[float, typer.Option(min=1, max=600, callback=finite, help="Give up after so long.")] = 60,
    form: FormOption = Form.TABLE,
) -> None:
    """Measure the running service: pick-up, submit, end to end. What is not done in time is cancelled."""
    # Only here: what every command imports makes every one of them slower to start.
    import asyncio  # noqa: PLC0415

    from service.cli import measuring  # noqa: PLC0415

    with refusals_end_the_command(), _progress() as tell:
        try:
            figures = asyncio.run(measuring.measure(tasks, connections, seconds, tell))
        except measuring.NobodyWorks as error:
            complain(str(error))
            raise typer.Exit(ExitCode.FAILED) from None
        except ExceptionGroup as errors:
            # The callers' TaskGroup: they all met the same trouble, and the first says it.
            raise errors.exceptions[0] from None
        except TimeoutError:
            complain(f"not done within {seconds:g} s, and cancelled: fewer --tasks, or more workers")
            raise typer.Exit(ExitCode.TIMED_OUT) from None
    show(form, figures.document(), (), lambda: _table(figures))
    if form is Form.TABLE:
        note("one client process on its own clock; a busy machine between you and the service is measured with it")
    if figures.failed:
        raise typer.Exit(ExitCode.FAILED)


def _table(figures: Figures) -> Table:
    table = columns("FIGURE", "P50 MS", "P99 MS", "PER SECOND")
    callers = f"{figures.connections} callers"
    for name, spread, rate in (
        ("pick-up, idle", figures.pick_up, None),
        ("round trip, idle", figures.round_trip, None),
        (f"POST → 201, {callers}", figures.submit, figures.submitted_per_s),
        ("stored → finished, meanwhile", figures.end_to_end, figures.finished_per_s),
    ):
        table.add_row(*cells((name, *_shown(spread), "" if rate is None else f"{rate:,.0f}")))
    failed = f", {figures.failed} of them failed" if figures.failed else ""
    table.caption = f"{figures.tasks:,} tasks, {figures.workers} workers{failed}"
    table.caption_justify = "left"
    return table


def _shown(spread: Spread) -> tuple[str, str]:
    return f"{spread.p50_ms:,.1f}", f"{spread.p99_ms:,.1f}"


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar where a person looks, else a line for each step."""
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    console = err()
    if not console.is_terminal:
        yield _as_lines(console)
        return
    shown = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*shown, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)
        yield lambda step, done, total: progress.update(bar, description=step, completed=done, total=total)


def _as_lines(console: Console) -> Tell:
    said: set[str] = set()

    def tell(step: str, _done: int, total: int) -> None:
        if step not in said:
            console.print(f"{step}: {total:,}" if total > 1 else step)
        said.add(step)

    return tell
