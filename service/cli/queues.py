"""queues: what waits where; pause, resume and purge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import service.client as sdk
from service.cli import consent, known
from service.cli.exits import refusals_end_the_command
from service.cli.output import Form, FormOption, show
from service.cli.views import queue_list

if TYPE_CHECKING:
    from service.client.operator_models import Queue

QueueName = Annotated[
    str,
    typer.Argument(metavar="QUEUE", help="The queue's name: see `taskrunner queues`.", autocompletion=known.queues),
]
group = typer.Typer(help="List the queues; pause, resume or purge one.")


def register(app: typer.Typer) -> None:
    """Add the command and those below it to ``app``."""
    app.add_typer(group, name="queues")


@group.callback(invoke_without_command=True)
def list_queues(context: typer.Context, form: FormOption = Form.TABLE) -> None:
    """List the queues; pause, resume or purge one."""
    if context.invoked_subcommand is not None:
        return
    with refusals_end_the_command(), sdk.Client() as client:
        found = client.queues()
    show(form, [queue.document() for queue in found], (queue.name for queue in found), lambda: queue_list(found))


@group.command()
def pause(name: QueueName, form: FormOption = Form.TABLE) -> None:
    """Start nothing more from a queue; what runs, runs on."""
    with refusals_end_the_command(), sdk.Client() as client:
        _show(client.pause_queue(name), form)


@group.command()
def resume(name: QueueName, form: FormOption = Form.TABLE) -> None:
    """Start from a queue again."""
    with refusals_end_the_command(), sdk.Client() as client:
        _show(client.resume_queue(name), form)


@group.command()
def purge(
    name: QueueName,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be cancelled.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    form: FormOption = Form.TABLE,
) -> None:
    """Cancel what waits in a queue, due or not. Cut off, it is completed by the next one."""
    with refusals_end_the_command(), sdk.Client() as client:
        if not (dry_run or yes):
            _ask(client.purge_queue(name, dry_run=True))
        done = client.purge_queue(name, dry_run=dry_run)
    more = "at least " if done.has_more else ""
    said = f"would cancel {more}{done.matched}" if dry_run else f"cancelled {done.cancelled}"
    show(form, done.document(), [done.queue], lambda: f"{said} in {done.queue}")


def _ask(found: sdk.Purge) -> None:
    """Go on only if a person says so. Raises: typer.Exit."""
    if not found.matched:
        raise consent.nothing(f"nothing waits in {found.queue}")
    waiting = consent.counted(found.matched, "waiting task", is_lower_bound=found.has_more)
    consent.ask(f"Cancel {waiting} of the queue {found.queue}?")


def _show(queue: Queue, form: Form) -> None:
    show(form, queue.document(), [queue.name], lambda: queue_list([queue]))
