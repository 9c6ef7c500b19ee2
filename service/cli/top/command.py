"""The command line of ``top``."""

# ruff: noqa: PLC0415 - what draws and asks is loaded by this command alone

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

import service.client as sdk
from service.cli.exits import refusals_end_the_command
from service.cli.inputs import finite
from service.cli.output import Form, FormOption, out, show

if TYPE_CHECKING:
    from service.cli.top.snapshot import Snapshot


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(top)


def top(
    interval: Annotated[float, typer.Option(min=0.2, max=3600, callback=finite, help="Seconds between looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, print it, and end.")] = False,
    form: FormOption = Form.TABLE,
) -> None:
    """Watch queues, workers, running tasks and failures. Without a terminal, and with -o json, a single look."""
    from service.cli.top.snapshot import look, look_back

    with refusals_end_the_command(), sdk.Client() as client:
        seen = look(client)
        if form is not Form.TABLE or once or not _has_screen():
            _print(seen, look_back(client), client.url, form)
            return
        url = client.url
    from service.cli.top.screen import run

    run(url, seen, interval)


def _has_screen() -> bool:
    return sys.stdout.isatty() and not out().is_dumb_terminal


def _print(seen: Snapshot, hour: sdk.Stats | None, url: str, form: Form) -> None:
    from service.cli.top.board import Board
    from service.cli.top.frame import whole

    board = Board(seen, hour)
    show(form, board.document(), (task.id for task in seen.running), lambda: whole(board, url, out().width))
