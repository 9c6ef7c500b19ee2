"""audit: what operators did."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

import service.client as sdk
from service.cli.exits import refusals_end_the_command
from service.cli.output import Form, FormOption, show
from service.cli.views import audit_list


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(audit)


def audit(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50, form: FormOption = Form.TABLE
) -> None:
    """What was done with keys, queues, workers, schedules and webhooks, and with which key."""
    with refusals_end_the_command(), sdk.Client() as client:
        found = list(islice(client.audit(), limit))
    show(form, [entry.document() for entry in found], (entry.id for entry in found), lambda: audit_list(found))
