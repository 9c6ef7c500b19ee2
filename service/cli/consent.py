"""The question before what cannot be taken back: it says how many of what, and is put to people only."""

from __future__ import annotations

import sys

import typer
from rich.text import Text

from service.cli.exits import ExitCode
from service.cli.output import complain, err, note, one_line


def ask(question: str) -> None:
    """Return if a person says yes. Where none is, nothing is read: a pipe might never end. Raises: typer.Exit."""
    if not sys.stdin.isatty():
        complain("nobody can answer here, so nothing was changed: say --yes", question)
        raise typer.Exit(ExitCode.USAGE)
    # Not typer.confirm: a blank of its question goes to stdout, where data goes.
    err().print(Text(f"{one_line(question)} [y/N] "), end="")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        note("nothing was changed")
        raise typer.Exit(ExitCode.OK)


def nothing(what: str) -> typer.Exit:
    """Say that there is nothing to ask about; what to raise."""
    note(what)
    return typer.Exit(ExitCode.OK)


def counted(number: int, noun: str, *, is_lower_bound: bool = False) -> str:
    """``3 tasks``, ``1 task``, ``10000 or more tasks``."""
    plural = "" if number == 1 and not is_lower_bound else "s"
    return f"{number}{' or more' if is_lower_bound else ''} {noun}{plural}"
