"""types: what the service can do."""

from __future__ import annotations

import typer

import service.client as sdk
from service.cli.exits import refusals_end_the_command
from service.cli.output import Form, FormOption, show
from service.cli.views import type_list


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(types)


def types(form: FormOption = Form.TABLE) -> None:
    """List the task types that can be submitted."""
    with refusals_end_the_command(), sdk.Client() as client:
        found = client.task_types()
    show(form, [kind.document() for kind in found], (kind.name for kind in found), lambda: type_list(found))
