"""inspect: what the workers do now, what they know, and how busy they are. Celery's words, through the API."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

import service.client as sdk
from service.cli.exits import refusals_end_the_command
from service.cli.output import Form, FormOption, cells, columns, note, show
from service.cli.views import stats_list, task_list

MOST_SHOWN = 1_000
group = typer.Typer(help="What the workers do, know and achieve.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(group, name="inspect")


@group.command()
def active(form: FormOption = Form.TABLE) -> None:
    """The tasks that run now, newest first; a thousand at most."""
    with refusals_end_the_command(), sdk.Client() as client:
        tasks = [task for task, _ in zip(client.list(status="PROCESSING"), range(MOST_SHOWN), strict=False)]
    show(form, [task.document() for task in tasks], (task.id for task in tasks), lambda: task_list(tasks))
    if not tasks and form is Form.TABLE:
        note("nothing runs")


@group.command()
def registered(form: FormOption = Form.TABLE) -> None:
    """The task types each worker can run, and what it lacks for the others."""
    with refusals_end_the_command(), sdk.Client() as client:
        workers = client.workers()
    rows = [{"worker": w.id, "types": sorted(w.types or ()), "missing": w.missing} for w in workers]
    show(form, rows, (w.id for w in workers), lambda: _registered(rows))


@group.command()
def stats(
    window: Annotated[int | None, typer.Option(min=1, help="What was done in the last so many seconds.")] = None,
    form: FormOption = Form.TABLE,
) -> None:
    """How many slots are busy, and what waits; with --window, what was done, by type and queue."""
    if window is not None:
        _window(window, form)
        return
    with refusals_end_the_command(), sdk.Client() as client:
        workers, queues = client.workers(), client.queues()
    rates = [queue.throughput for queue in queues if queue.throughput is not None]
    facts: dict[str, Any] = {
        "workers": len(workers),
        "draining": sum(worker.state == "draining" for worker in workers),
        "slots": sum(worker.concurrency or 0 for worker in workers),
        "running": sum(queue.running for queue in queues),
        "waiting": sum(queue.waiting for queue in queues),
        "delayed": sum(queue.delayed for queue in queues),
        "paused": [queue.name for queue in queues if queue.paused],
        "throughput": round(sum(rates), 3) if rates else None,
        "is_lower_bound": any(queue.is_lower_bound for queue in queues),
    }
    show(form, facts, (worker.id for worker in workers), lambda: _facts(facts))


@group.command()
def conf(form: FormOption = Form.TABLE) -> None:
    """The service's settings in force, secrets masked. Needs the scope admin."""
    with refusals_end_the_command(), sdk.Client() as client:
        settings = client.config()
    show(form, settings, settings, lambda: _facts({name: _setting(value) for name, value in settings.items()}))


def _window(seconds: int, form: Form) -> None:
    with refusals_end_the_command(), sdk.Client() as client:
        found = client.stats(seconds)
    show(form, found.document(), (row.type for row in found.data), lambda: stats_list(found))
    if not found.data and form is Form.TABLE:
        note("nothing was submitted")


def _setting(value: Any) -> Any:
    return (
        value if isinstance(value, list) or value is None else str(value).lower() if value in {True, False} else value
    )


def _registered(rows: list[dict[str, Any]]) -> Table:
    table = columns("WORKER", "TYPE", "LACKS")
    for row in rows:
        for name in sorted({*row["types"], *row["missing"]}):
            table.add_row(*cells((row["worker"], name, row["missing"].get(name, ""))))
    return table


def _facts(facts: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else "" if value is None else value
        table.add_row(*cells((name, shown)))
    return table
