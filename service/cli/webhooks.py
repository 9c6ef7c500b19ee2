"""webhooks: what became of them, and sending one again."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

import service.client as sdk
from service.cli.exits import refusals_end_the_command
from service.cli.output import Form, FormOption, show
from service.cli.views import delivery_list

group = typer.Typer(help="List the webhooks that were sent or are to be, or send one again.")


def register(app: typer.Typer) -> None:
    """Add the command and those below it to ``app``."""
    app.add_typer(group, name="webhooks")


@group.callback(invoke_without_command=True)
def list_webhooks(
    context: typer.Context,
    state: Annotated[
        list[str] | None, typer.Option(help="waiting, delivered, failed or gone; may be repeated.")
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="ID", help="Only those of this task.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    form: FormOption = Form.TABLE,
) -> None:
    """List the webhooks that were sent or are to be, or send one again."""
    if context.invoked_subcommand is not None:
        return
    with refusals_end_the_command(), sdk.Client() as client:
        if task is None:
            found = list(islice(client.all_deliveries(state=state), limit))
        else:
            found = [one for one in client.deliveries(task) if not state or one.state in state][-limit:][::-1]
    show(form, [one.document() for one in found], (one.id for one in found), lambda: delivery_list(found))


@group.command()
def replay(
    delivery_id: Annotated[str, typer.Argument(metavar="ID", help="The webhook's id: see `taskrunner webhooks`.")],
    form: FormOption = Form.TABLE,
) -> None:
    """Send a webhook again at once, under its own id and with the whole schedule before it."""
    with refusals_end_the_command(), sdk.Client() as client:
        sent = client.replay_delivery(delivery_id)
    show(form, sent.document(), [sent.id], lambda: delivery_list([sent]))
