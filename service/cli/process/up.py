"""``taskrunner up``: everything in one terminal, until a signal."""

from __future__ import annotations

import asyncio
import sys
import time

import typer

from service.cli.process.child import StartFailed
from service.cli.process.console import Console
from service.cli.process.data_dir import locked
from service.cli.process.launch import check_worker_settings
from service.cli.process.plan import Options, Plan
from service.cli.process.supervisor import Interrupt, Supervisor
from shared.embedded.ports import bound_socket
from shared.settings import load_settings


def run_up(options: Options) -> None:
    """Run everything until a signal.

    Raises: ConfigurationError; StoreUnavailable; typer.Exit(1), explained, when a service does not start.
    """
    began = time.monotonic()
    check_worker_settings(options.worker_settings)
    with locked(options.data_dir), bound_socket(options.port, "the API", options.host) as listener:
        plan = Plan(options, load_settings(), listener)
        try:
            asyncio.run(_supervise(plan, began))
        except StartFailed as error:
            print(f"taskrunner: {error}", file=sys.stderr)
            raise typer.Exit(1) from None


async def _supervise(plan: Plan, began: float) -> None:
    console = Console()
    interrupt = Interrupt(console)
    interrupt.listen()
    console.note(f"starting; data is kept in {plan.options.data_dir}")
    await Supervisor(console, interrupt).run(
        plan.steps(console.note), lambda: console.banner(plan.banner(time.monotonic() - began))
    )
    console.note("stopped")
