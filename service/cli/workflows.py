"""workflows: graphs of tasks, submitted from a file, watched, cancelled, retried."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group

import service.client as sdk
from service.cli import known
from service.cli.exits import ExitCode, end_with, refusals_end_the_command
from service.cli.inputs import finite
from service.cli.output import Form, FormOption, complain, show
from service.cli.views import node_list, workflow_list

if TYPE_CHECKING:
    from service.client.workflow_models import Workflow

WorkflowId = Annotated[str, typer.Argument(metavar="ID", help="The workflow's id.", autocompletion=known.workflows)]
KEYS = {"name", "tasks", "callback_url"}

group = typer.Typer()


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    app.add_typer(group, name="workflows")


@group.callback(invoke_without_command=True)
def workflows(context: typer.Context, form: FormOption = Form.TABLE) -> None:
    """Tasks that follow each other: submit, list, get, cancel, retry."""
    if context.invoked_subcommand is None:
        list_workflows(form=form)


@group.command()
def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON with name and tasks; - is standard input.")],
    name: Annotated[str | None, typer.Option(help="Instead of the file's.")] = None,
    callback_url: Annotated[str | None, typer.Option(help="Where its end is told.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key submits the same workflow once.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it is final; exit code 1 if it failed.")] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0, callback=finite, help="Seconds to wait, then exit code 124.")
    ] = None,
    form: FormOption = Form.TABLE,
) -> None:
    """Submit a workflow."""
    given = _document(file)
    with refusals_end_the_command(), sdk.Client() as client:
        found = client.submit_workflow(
            given["tasks"],
            name=name or given.get("name"),
            callback_url=callback_url or given.get("callback_url"),
            idempotency_key=idempotency_key,
        )
        if wait or timeout is not None:
            found = client.wait_workflow(found.id, timeout)
    _show(found, form)
    end_with(found)


@group.command("list")
def list_workflows(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20, form: FormOption = Form.TABLE
) -> None:
    """List workflows, newest first."""
    with refusals_end_the_command(), sdk.Client() as client:
        found = list(islice(client.workflows(page_size=limit), limit))
    show(form, [one.document() for one in found], (one.id for one in found), lambda: workflow_list(found))


@group.command()
def get(workflow_id: WorkflowId, form: FormOption = Form.TABLE) -> None:
    """Show a workflow with its nodes."""
    with refusals_end_the_command(), sdk.Client() as client:
        _show(client.workflow(workflow_id), form)


@group.command()
def cancel(workflow_id: WorkflowId, form: FormOption = Form.TABLE) -> None:
    """Cancel what waits; what runs is asked to stop."""
    with refusals_end_the_command(), sdk.Client() as client:
        _show(client.cancel_workflow(workflow_id), form)


@group.command()
def retry(workflow_id: WorkflowId, form: FormOption = Form.TABLE) -> None:
    """Do again what did not complete."""
    with refusals_end_the_command(), sdk.Client() as client:
        _show(client.retry_workflow(workflow_id), form)


def _document(file: str) -> dict[str, Any]:
    """What the file holds. Raises: typer.Exit, after one line that says what is wrong."""
    try:
        given = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
        if not isinstance(given, dict) or not isinstance(given.get("tasks"), dict) or given.keys() - KEYS:
            raise ValueError('give {"name": …, "tasks": {…}}')
    except OSError as error:
        complain(f"{file}: {(error.strerror or str(error)).lower()}")
        raise typer.Exit(ExitCode.USAGE) from None
    except (ValueError, RecursionError) as error:
        complain(f"{file}: {error}")
        raise typer.Exit(ExitCode.USAGE) from None
    return given


def _show(found: Workflow, form: Form) -> None:
    show(form, found.document(), [found.id], lambda: Group(workflow_list([found]), node_list(found)))
