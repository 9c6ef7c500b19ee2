"""What cancel, retry and delete of many tasks share: say how many, ask, do it, show how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

import service.client as sdk
from service.cli import consent, known
from service.cli.exits import ExitCode
from service.cli.output import Form, complain, err, note, show
from service.cli.views import operation_sheet

if TYPE_CHECKING:
    from service.client.models import Operation

TaskIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Ids of tasks; or options that match.", autocompletion=known.tasks),
]
StatusOption = Annotated[
    list[str] | None,
    typer.Option("--status", help="Those in this state; repeat for more.", autocompletion=known.statuses),
]
TypeOption = Annotated[
    list[str] | None,
    typer.Option("--type", help="Those of this type; repeat for more.", autocompletion=known.task_types),
]
QueueOption = Annotated[
    list[str] | None,
    typer.Option("--queue", help="Those in this queue; repeat for more.", autocompletion=known.queues),
]
TagOption = Annotated[list[str] | None, typer.Option("--tag", help="Those with this tag; repeat for more.")]
AfterOption = Annotated[str | None, typer.Option("--after", metavar="TIME", help="Created after this time.")]
BeforeOption = Annotated[str | None, typer.Option("--before", metavar="TIME", help="Created before this time.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every task there is.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only count.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


@dataclass(frozen=True)
class Chosen:
    """Which tasks a command is for, as its options say."""

    ids: Sequence[str]
    filters: dict[str, Any]
    is_all: bool

    @classmethod
    def of(
        cls,
        ids: list[str] | None,
        status: list[str] | None,
        type: list[str] | None,
        queue: list[str] | None,
        tag: list[str] | None,
        after: str | None,
        before: str | None,
        is_all: bool,
    ) -> Chosen:
        """Raises: typer.Exit, where nothing or two different things are meant."""
        named = {
            "status": [name.upper() for name in status or ()],
            "type": type,
            "queue": queue,
            "tag": tag,
            "created_after": after,
            "created_before": before,
        }
        filters = {name: value for name, value in named.items() if value}
        if sum((bool(ids), bool(filters), is_all)) != 1:
            complain("say which tasks: ids, or filters such as --status and --tag, or --all")
            raise typer.Exit(ExitCode.USAGE)
        return cls(ids or (), filters, is_all)

    @property
    def is_one(self) -> bool:
        return len(self.ids) == 1

    @property
    def named(self) -> str:
        """What is meant, behind a number of tasks: `` with status FAILED or CANCELLED, tag night``."""
        told = ", ".join(f"{name.replace('_', ' ')} {_either(value)}" for name, value in self.filters.items())
        return f" with {told}" if told else ""

    def given(self) -> dict[str, Any]:
        """As the client's bulk verbs take it."""
        return {"ids": list(self.ids)} if self.ids else {"all": self.is_all, **self.filters}


def run(
    verb: str, call: Callable[..., Operation], client: sdk.Client, chosen: Chosen, dry_run: bool, yes: bool, form: Form
) -> None:
    """Ask, unless ids or ``yes`` were given; then do it, and follow it to its end. Raises: ClientError, typer.Exit."""
    if dry_run or not (yes or chosen.ids):
        found = call(**chosen.given(), dry_run=True)
        if dry_run:
            _show(found, form)
            return
        _ask(verb, chosen, found)
    operation = call(**chosen.given())
    if not operation.is_over and operation.id:
        operation = _followed(client, verb, operation)
    _show(operation, form)
    if operation.state == "cancelled" or (chosen.ids and not operation.done):
        raise typer.Exit(ExitCode.FAILED)


def _ask(verb: str, chosen: Chosen, found: Operation) -> None:
    """Go on only if a person says so. Raises: typer.Exit."""
    would = found.matched - sum(number for reason, number in found.skipped.items() if reason != "not_found")
    if not would and not found.is_lower_bound:
        raise consent.nothing(f"there is no task to {verb}")
    tasks = consent.counted(would, "task", is_lower_bound=found.is_lower_bound)
    all_of_them = "all " if chosen.is_all else ""
    for_good = ", for good" if verb == "delete" else ""
    consent.ask(f"{verb.capitalize()} {all_of_them}{tasks}{chosen.named}{for_good}?")


def _either(value: Any) -> str:
    return " or ".join(value) if isinstance(value, list) else str(value)


def _followed(client: sdk.Client, verb: str, operation: Operation) -> Operation:
    """Show how far it is, where a person looks; it goes on without us if the command is ended."""
    # Only what takes long needs a bar, and most starts of a command do not.
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    last = operation
    note(f"operation {operation.id} runs on if this is ended: taskrunner operations get {operation.id}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err(), disable=not err().is_terminal) as progress:
        bar = progress.add_task(verb, total=operation.total)
        for last in client.watch_operation(operation.id or ""):
            progress.update(bar, completed=last.matched, total=last.total)
    return last


def _show(operation: Operation, form: Form) -> None:
    show(form, operation.document(), [operation.id or ""], lambda: operation_sheet(operation))
