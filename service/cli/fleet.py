"""types and workers: what the service can do, and who does it."""

from __future__ import annotations

import typer

import service.client as sdk
from service.cli.exits import refusals_end_the_command
from service.cli.output import Form, FormOption, note, show
from service.cli.views import type_list, worker_list


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(types)
    app.command()(workers)


def types(form: FormOption = Form.TABLE) -> None:
    """List the task types that can be submitted."""
    with refusals_end_the_command(), sdk.Client() as client:
        found = client.task_types()
    show(form, [kind.document() for kind in found], (kind.name for kind in found), lambda: type_list(found))


def workers(form: FormOption = Form.TABLE) -> None:
    """List the workers that live."""
    with refusals_end_the_command(), sdk.Client() as client:
        found = client.workers()
    show(form, [worker.document() for worker in found], (worker.id for worker in found), lambda: worker_list(found))
    if not found and form is Form.TABLE:
        note("no worker lives: start one with: taskrunner worker")
