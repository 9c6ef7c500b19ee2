"""cancel, retry, delete: of one task by its id, or of all that match."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

import service.client as sdk
from service.cli import bulk
from service.cli.bulk import (
    AfterOption,
    AllOption,
    BeforeOption,
    Chosen,
    DryRunOption,
    QueueOption,
    StatusOption,
    TagOption,
    TaskIds,
    TypeOption,
    YesOption,
)
from service.cli.exits import refusals_end_the_command
from service.cli.output import Form, FormOption, show
from service.cli.views import task_sheet

if TYPE_CHECKING:
    from service.client.models import Task


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(cancel)
    app.command()(retry)
    app.command()(delete)


def cancel(
    ids: TaskIds = None,
    status: StatusOption = None,
    type: TypeOption = None,
    queue: QueueOption = None,
    tag: TagOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    all: AllOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    form: FormOption = Form.TABLE,
) -> None:
    """Cancel tasks: at once if they wait; running ones are asked to stop."""
    chosen = Chosen.of(ids, status, type, queue, tag, after, before, all)
    with refusals_end_the_command(), sdk.Client() as client:
        if chosen.is_one and not dry_run:
            _show(client.cancel(chosen.ids[0]), form)
            return
        bulk.run("cancel", client.cancel_many, client, chosen, dry_run, yes, form)


def retry(
    ids: TaskIds = None,
    status: StatusOption = None,
    type: TypeOption = None,
    queue: QueueOption = None,
    tag: TagOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    all: AllOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    form: FormOption = Form.TABLE,
) -> None:
    """Run failed or cancelled tasks again."""
    chosen = Chosen.of(ids, status, type, queue, tag, after, before, all)
    with refusals_end_the_command(), sdk.Client() as client:
        if chosen.is_one and not dry_run:
            _show(client.retry(chosen.ids[0]), form)
            return
        bulk.run("retry", client.retry_many, client, chosen, dry_run, yes, form)


def delete(
    ids: TaskIds = None,
    status: StatusOption = None,
    type: TypeOption = None,
    queue: QueueOption = None,
    tag: TagOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    all: AllOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    form: FormOption = Form.TABLE,
) -> None:
    """Remove final tasks for good, with their attempts and webhooks."""
    chosen = Chosen.of(ids, status, type, queue, tag, after, before, all)
    with refusals_end_the_command(), sdk.Client() as client:
        bulk.run("delete", client.delete_many, client, chosen, dry_run, yes, form)


def _show(task: Task, form: Form) -> None:
    show(form, task.document(), [task.id], lambda: task_sheet(task))
