"""A task's input from the command line: ``-i k=v``, ``--json``, standard input, and files to upload first."""

from __future__ import annotations

import io
import json
import math
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
    given = _document(_standard_input() if source else document) if source or document is not None else {}
    return given | dict(_pair(pair) for pair in pairs)


def with_files_uploaded(given: dict[str, Any], upload: Uploader) -> dict[str, Any]:
    """The input with each file in it replaced by its id."""
    return {name: _uploaded(value, upload) if isinstance(value, Path) else value for name, value in given.items()}


def read_pairs(pairs: list[str]) -> dict[str, Any]:
    """``name=value`` pairs that name no files. Raises: typer.Exit, after a line that says what is wrong."""
    return {name: _value(text) for name, text in map(_split, pairs)}


def finite(number: float | None) -> float | None:
    """The number of an option, as a callback: neither ``nan`` nor ``inf``, which every limit lets pass."""
    if number is not None and not math.isfinite(number):
        raise typer.BadParameter(f"{number} is no number of seconds or days")
    return number


def _uploaded(path: Path, upload: Uploader) -> str:
    try:
        return upload(path)
    except OSError as error:
        _refuse(f"@{path}: {error.strerror or error}")


def _standard_input() -> str:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="strict")  # some locales smuggle through what is no text
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        _refuse("standard input is no UTF-8 text")


def _document(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "", parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        _refuse(f"the input is no JSON: {error}")
    if not isinstance(value, dict):
        _refuse("the input must be a JSON object: {…}")
    return value


def _pair(pair: str) -> tuple[str, Any]:
    name, text = _split(pair)
    return name, _file(text[1:]) if text.startswith("@") else _value(text)


def _split(pair: str) -> tuple[str, str]:
    name, equals, text = pair.partition("=")
    if not (name and equals):
        _refuse(f"{pair!r}: write name=value, as in -i name=value")
    return name, text


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
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
