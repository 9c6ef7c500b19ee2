"""operations: bulk verbs under way, and those of the last week."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

import service.client as sdk
from service.cli import known
from service.cli.exits import refusals_end_the_command
from service.cli.output import Form, FormOption, note, show
from service.cli.views import operation_list, operation_sheet

OperationId = Annotated[str, typer.Argument(metavar="ID", help="The operation's id.", autocompletion=known.operations)]
MOST_SHOWN = 200
group = typer.Typer(help="List bulk operations; read or cancel one.")


def register(app: typer.Typer) -> None:
    """Add the command and those below it to ``app``."""
    app.add_typer(group, name="operations")


@group.callback(invoke_without_command=True)
def list_operations(context: typer.Context, form: FormOption = Form.TABLE) -> None:
    """List bulk operations, newest first; read or cancel one."""
    if context.invoked_subcommand is not None:
        return
    with refusals_end_the_command(), sdk.Client() as client:
        found = list(islice(client.operations(), MOST_SHOWN))
    show(form, [one.document() for one in found], (one.id or "" for one in found), lambda: operation_list(found))
    if not found and form is Form.TABLE:
        note("no operations")


@group.command()
def get(operation_id: OperationId, form: FormOption = Form.TABLE) -> None:
    """Show how far an operation has come."""
    with refusals_end_the_command(), sdk.Client() as client:
        _show(client.operation(operation_id), form)


@group.command()
def cancel(operation_id: OperationId, form: FormOption = Form.TABLE) -> None:
    """End an operation where it is; what was done stays done."""
    with refusals_end_the_command(), sdk.Client() as client:
        _show(client.cancel_operation(operation_id), form)


def _show(operation: sdk.Operation, form: Form) -> None:
    show(form, operation.document(), [operation.id or ""], lambda: operation_sheet(operation))
