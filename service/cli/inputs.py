"""A task's input from the command line: ``-i k=v``, ``--json``, standard input, and files to upload first."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import typer

from service.cli.exits import ExitCode
from service.cli.output import complain

Uploader = Callable[[Path], str]
"""Stores a file and answers its id."""


def read_input(pairs: list[str], document: str | None, source: str | None) -> dict[str, Any]:
    """The input as given; single ``pairs`` win over the document they stand beside.

    A pair's value may be a ``Path``: a file named by ``@path``, not yet uploaded.

    Raises:
        typer.Exit: after one line that says what is wrong, and how to write it.
    """
    if source is not None and source != "-":
        _refuse(f"{source!r}: give the input as -i k=v, as --json '{{…}}', or as - for standard input")
    if source is not None and document is not None:
        _refuse("give --json or -, not both")
    given = _document(sys.stdin.read() if source else document) if source or document is not None else {}
    return given | dict(_pair(pair) for pair in pairs)


def with_files_uploaded(given: dict[str, Any], upload: Uploader) -> dict[str, Any]:
    """The input with each file in it replaced by its id."""
    return {name: upload(value) if isinstance(value, Path) else value for name, value in given.items()}


def _document(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "", parse_constant=_no_number)
    except ValueError as error:
        _refuse(f"the input is no JSON: {error}")
    if not isinstance(value, dict):
        _refuse("the input must be a JSON object: {…}")
    return value


def _pair(pair: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not (name and equals):
        _refuse(f"-i {pair!r}: write -i name=value")
    return name, _file(text[1:]) if text.startswith("@") else _value(text)


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except ValueError:
        return text


def _file(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        _refuse(f"@{name}: no such file (a value that starts with @ is written as JSON: -i 'name=\"@…\"')")
    return path


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _refuse(message: str) -> NoReturn:
    complain(message)
    raise typer.Exit(ExitCode.USAGE)
