"""The ``taskrunner`` command: puts the commands together, and owns how the process ends."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from service.cli import (
    audit,
    bench,
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
    webhooks,
    workers,
    workflows,
)

INTERRUPTED = 130

app = typer.Typer(
    name="taskrunner",
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
webhooks.register(app)
audit.register(app)
inspection.register(app)
demo.register(app)
doctor.register(app)
bench.register(app)


def main() -> None:
    """Run the command line, and end the process."""
    try:
        app(prog_name="taskrunner")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


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
