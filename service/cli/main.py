"""The ``taskrunner`` command: puts the commands together, and owns how the process ends."""

from __future__ import annotations

import errno
import io
import os
import sys
from copy import copy
from typing import Annotated

import typer
from typer.models import CommandInfo

from service.cli import (
    audit,
    bench,
    completion,
    demo,
    doctor,
    fleet,
    inspection,
    moves,
    operations,
    process,
    queues,
    schedules,
    tasks,
    top,
    webhooks,
    workers,
    workflows,
)
from service.cli.exits import ExitCode
from service.cli.output import complain

# httpx brings a command line of its own, with click and pygments, and does without it where it cannot be imported.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

INTERRUPTED = 130
NOT_WRITTEN = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What an output may say to what is written to it: that nobody reads on, or that there is no room."""

app = typer.Typer(
    name=completion.PROGRAM,
    help="Submit work, watch it, and run the service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
process.register(app)
tasks.register(app)
moves.register(app)
operations.register(app)
schedules.register(app)
workflows.register(app)
fleet.register(app)
workers.register(app)
queues.register(app)
top.register(app)
webhooks.register(app)
audit.register(app)
inspection.register(app)
demo.register(app)
doctor.register(app)
bench.register(app)
completion.register(app)


def main() -> None:
    """Run the command line, and end the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a user's text may be more than this terminal can write
    try:
        _refuse_what_is_no_text(sys.argv[1:])
        _with_only(sys.argv[1:2])(prog_name=completion.PROGRAM)
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as error:
        code = _not_written(error)
    else:
        code = ExitCode.OK
    sys.exit(_flushed(code))


def _with_only(called: list[str]) -> typer.Typer:
    """The app with the one command that is called, or whole: to describe every command takes a fifth of a start."""
    one = copy(app)
    one.registered_commands = [info for info in app.registered_commands if _name_of(info) in called]
    one.registered_groups = [info for info in app.registered_groups if info.name in called]
    is_known = one.registered_commands or one.registered_groups
    return one if is_known and completion.VARIABLE not in os.environ else app


def _name_of(info: CommandInfo) -> str | None:
    return info.name or getattr(info.callback, "__name__", None)


def _refuse_what_is_no_text(arguments: list[str]) -> None:
    """Raises: SystemExit."""
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        complain("an argument is no UTF-8 text")
        sys.exit(ExitCode.USAGE)


def _flushed(code: int | str | None) -> int | str | None:
    """The exit code, once what was written is out: the interpreter would complain of it in words of its own."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _not_written(error)
    return code


def _not_written(error: OSError) -> int:
    """What to end with where the output takes no more; silent where its reader has left. Raises: any other error."""
    if error.errno not in NOT_WRITTEN:
        raise error
    if error.errno != errno.EPIPE:
        complain(f"the output cannot be written: {error.strerror}")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.FAILED


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - other commands need not load it

        print(version("async-ai-task-runner"))
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Client commands reach the service at TASKRUNNER_URL (http://127.0.0.1:8000), as TASKRUNNER_API_KEY."""
