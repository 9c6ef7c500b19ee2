"""schedules: tasks made by the clock. A schedule is named by its name or its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

import service.client as sdk
from service.cli import known
from service.cli.exits import ExitCode, refusals_end_the_command
from service.cli.inputs import finite, read_input, with_files_uploaded
from service.cli.output import Form, FormOption, complain, note, show
from service.cli.views import schedule_list, task_sheet

if TYPE_CHECKING:
    from service.client.models import Schedule

Which = Annotated[
    str, typer.Argument(metavar="NAME", help="The schedule's name, or its id.", autocompletion=known.schedules)
]

Cron = Annotated[str | None, typer.Option(help="Minute, hour, day of month, month, day of week.")]
Every = Annotated[float | None, typer.Option(min=1, callback=finite, help="Seconds, instead of --cron.")]
Timezone = Annotated[str | None, typer.Option(help="Of --cron, such as Europe/Berlin; else UTC.")]
Pairs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="K=V", help="A field: JSON, else text; @path uploads the file first."),
]
Document = Annotated[str | None, typer.Option("--json", metavar="JSON", help="The whole input.")]
QueueOption = Annotated[
    str | None, typer.Option("--queue", help="Instead of the type's own queue.", autocompletion=known.queues)
]
CatchUp = Annotated[str | None, typer.Option(help="Of missed ticks: skip, one or all; else one.")]

group = typer.Typer()


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    app.add_typer(group, name="schedules")


@group.callback(invoke_without_command=True)
def schedules(context: typer.Context, form: FormOption = Form.TABLE) -> None:
    """Tasks made by the clock: list, create, change, run, pause, resume, delete."""
    if context.invoked_subcommand is None:
        list_schedules(form)


@group.command("list")
def list_schedules(form: FormOption = Form.TABLE) -> None:
    """List the schedules, with their next and last run."""
    with refusals_end_the_command(), sdk.Client() as client:
        _show(list(client.schedules()), form)


@group.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that no other schedule has.")],
    type: Annotated[
        str,
        typer.Argument(metavar="TYPE", help="A task type: see `taskrunner types`.", autocompletion=known.task_types),
    ],
    source: Annotated[str | None, typer.Argument(metavar="-", help="Read the input as JSON from stdin.")] = None,
    cron: Cron = None,
    every: Every = None,
    timezone: Timezone = None,
    pairs: Pairs = None,
    document: Document = None,
    queue: QueueOption = None,
    catch_up: CatchUp = None,
    paused: Annotated[bool, typer.Option("--paused", help="Let it begin with `schedules resume`.")] = False,
    form: FormOption = Form.TABLE,
) -> None:
    """Create a schedule."""
    given = read_input(pairs or [], document, source)
    with refusals_end_the_command(), sdk.Client() as client:
        made = client.create_schedule(
            name,
            type,
            with_files_uploaded(given, lambda path: client.upload(path).id),
            cron=cron,
            every=every,
            timezone=timezone,
            queue=queue,
            catch_up=catch_up,
            enabled=not paused,
        )
    _show([made], form)


@group.command()
def change(
    which: Which,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    cron: Cron = None,
    every: Every = None,
    timezone: Timezone = None,
    pairs: Pairs = None,
    document: Document = None,
    queue: QueueOption = None,
    catch_up: CatchUp = None,
    form: FormOption = Form.TABLE,
) -> None:
    """Change what is given, from the next tick on; an input is given whole."""
    told = {"name": name, "cron": cron, "every": every, "timezone": timezone, "queue": queue, "catch_up": catch_up}
    changes: dict[str, Any] = {field: value for field, value in told.items() if value is not None}
    given = read_input(pairs or [], document, None)
    if not (changes or given or document):
        complain("say what to change: see taskrunner schedules change --help")
        raise typer.Exit(ExitCode.USAGE)
    with refusals_end_the_command(), sdk.Client() as client:
        if given or document:
            changes["input"] = with_files_uploaded(given, lambda path: client.upload(path).id)
        _show([client.change_schedule(_found(client, which).id, **changes)], form)


@group.command()
def run(which: Which, form: FormOption = Form.TABLE) -> None:
    """Make its task now; its ticks go on as before."""
    with refusals_end_the_command(), sdk.Client() as client:
        task = client.run_schedule(_found(client, which).id)
    show(form, task.document(), [task.id], lambda: task_sheet(task))


@group.command()
def pause(which: Which, form: FormOption = Form.TABLE) -> None:
    """Make no more tasks until it is resumed."""
    _set_enabled(which, form, enabled=False)


@group.command()
def resume(which: Which, form: FormOption = Form.TABLE) -> None:
    """Go on with the next tick."""
    _set_enabled(which, form, enabled=True)


@group.command()
def delete(which: Which, form: FormOption = Form.TABLE) -> None:
    """Remove a schedule; tasks it made stay."""
    with refusals_end_the_command(), sdk.Client() as client:
        found = _found(client, which)
        client.delete_schedule(found.id)
    if form is not Form.TABLE:
        _show([found], form)
    note(f"deleted {found.name}")


def _set_enabled(which: str, form: Form, *, enabled: bool) -> None:
    with refusals_end_the_command(), sdk.Client() as client:
        _show([client.change_schedule(_found(client, which).id, enabled=enabled)], form)


def _found(client: sdk.Client, which: str) -> Schedule:
    """By name, else by id. Raises: typer.Exit, where there is neither."""
    found = {key: one for one in client.schedules() for key in (one.id, one.name)}
    if which not in found:
        complain(f"there is no schedule {which!r}: see them with: taskrunner schedules list")
        raise typer.Exit(ExitCode.NOT_FOUND)
    return found[which]


def _show(found: list[Schedule], form: Form) -> None:
    show(form, [one.document() for one in found], (one.id for one in found), lambda: schedule_list(found))
