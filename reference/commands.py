"""The page of commands, from the typer app: arguments and options of each, as ``--help`` has them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer.main
from typer.core import TyperGroup

from reference.markdown import blocks, code, either, line_of, link_to, prose, table
from reference.schemas import REQUIRED, span
from service.cli.main import app

INTRO = """
# Every command
How to use them, and their exit codes: [cli.md](../cli.md). Each has `--help`. `-o json` gives the documents of the
[REST API](api.md), `-o id` one id a line.
"""
KINDS = {str: "text", int: "whole number", float: "number", Path: "path"}


def page() -> str:
    root = typer.main.get_command(app)
    found = list(_commands("taskrunner", root))
    contents = [f"- {link_to(name)}: {line_of(command.help or '')}" for name, command in found]
    return blocks(INTRO, "\n".join(contents), *(_command(name, command) for name, command in found))


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The command, then those below it."""
    if command.hidden:
        return
    yield name, command
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            yield from _commands(f"{name} {below.name}", below)


def _command(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    return blocks(
        f"## {name}",
        prose(command.help or ""),
        code(" ".join([name, *map(_placeholder, arguments), *(["[options]"] if options else [])])),
        table(("argument", "meaning"), ((code(_shown(one)), one.help or "") for one in arguments)),
        table(("option", "takes", "default", "meaning"), map(_option, options)),
    )


def _placeholder(argument: Any) -> str:
    shown = _shown(argument)
    return shown if argument.required or shown.startswith("[") else f"[{shown}]"


def _shown(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _option(option: Any) -> tuple[str, str, str, str]:
    names = ", ".join(code(name) for name in [*option.opts, *option.secondary_opts])
    return names, _takes(option), _default(option), option.help or ""


def _takes(option: Any) -> str:
    if option.is_flag:
        return ""
    described = option.type_descriptor
    if described.choices:
        return either(code(getattr(one, "value", one)) for one in described.choices)
    plain = described.annotation if described.annotation in KINDS else str
    limits = span(option.min, option.max)
    takes = code(option.metavar) if option.metavar else KINDS[plain]
    return f"{takes}{f' ({limits})' if limits else ''}{', repeatable' if option.multiple else ''}"


def _default(option: Any) -> str:
    if option.required:
        return REQUIRED
    match option.default:
        case None | False | ():
            return ""
        case Enum() as chosen:
            return code(chosen.value)
        case value:
            return code(value)
