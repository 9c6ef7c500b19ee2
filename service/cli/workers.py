"""workers: who works, and how to send one away."""

from __future__ import annotations

from typing import Annotated

import typer

import service.client as sdk
from service.cli import known
from service.cli.exits import refusals_end_the_command
from service.cli.output import Form, FormOption, note, show
from service.cli.views import worker_list

group = typer.Typer(help="List the workers that live, or drain one.")


def register(app: typer.Typer) -> None:
    """Add the command and those below it to ``app``."""
    app.add_typer(group, name="workers")


@group.callback(invoke_without_command=True)
def list_workers(context: typer.Context, form: FormOption = Form.TABLE) -> None:
    """List the workers that live, or drain one."""
    if context.invoked_subcommand is not None:
        return
    with refusals_end_the_command(), sdk.Client() as client:
        found = client.workers()
    show(form, [worker.document() for worker in found], (worker.id for worker in found), lambda: worker_list(found))
    if not found and form is Form.TABLE:
        note("no worker lives: start one with: taskrunner worker")


@group.command()
def drain(
    worker_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="The worker's id: see `taskrunner workers`.", autocompletion=known.workers),
    ],
    form: FormOption = Form.TABLE,
) -> None:
    """Let a worker finish what it runs, and end. A supervisor that restarts workers starts a fresh one."""
    with refusals_end_the_command(), sdk.Client() as client:
        worker = client.drain_worker(worker_id)
    show(form, worker.document(), [worker.id], lambda: worker_list([worker]))
