"""completion: the script that makes a shell complete ``taskrunner``. It edits nobody's files."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

PROGRAM = "taskrunner"
VARIABLE = "_TASKRUNNER_COMPLETE"
"""Set by the script when the shell asks for words; typer answers, and ends the process."""


class Shell(StrEnum):
    """Shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``; where a shell asks, prepare typer to answer it."""
    app.command()(completion)
    if VARIABLE in os.environ:
        # Typer does this itself only beside its own options, which guess the shell and write to its files.
        from typer._completion_classes import completion_init  # noqa: PLC0415

        completion_init()


def completion(shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
    """Print the script that completes commands, options, types, queues and ids: source <(taskrunner completion bash)"""
    from typer._completion_shared import get_completion_script  # noqa: PLC0415 - nobody else needs it

    script = get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell)  # nosec B604 # a name
    print(script)
