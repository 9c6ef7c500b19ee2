"""The ``taskrunner`` command: puts the commands together, and owns how the process ends."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Annotated

import typer

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
        app(prog_name=completion.PROGRAM)
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as error:
        code = _not_written(error)
    else:
        code = ExitCode.OK
    sys.exit(_flushed(code))


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
