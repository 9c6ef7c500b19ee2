"""demo: one task of each type, all at once, watched live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from service.cli.exits import ExitCode, message_of, refusals_end_the_command
from service.cli.inputs import finite
from service.cli.output import Form, FormOption, cells, columns, compact, complain, note, one_line, show, status_text
from service.cli.views import seconds
from service.client import ClientError

if TYPE_CHECKING:
    from service.cli.showcase import Ends
    from service.client.models import Task

RESULT_WIDTH = 64


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(demo)


def demo(
    timeout: Annotated[float, typer.Option(min=1, callback=finite, help="Seconds to wait for them all.")] = 120,
    form: FormOption = Form.TABLE,
) -> None:
    """Run one task of each type and watch them; exit code 1 if any does not complete."""
    from service.cli.showcase import run_all  # noqa: PLC0415 - asyncio and httpx, which --help need not load

    with refusals_end_the_command():
        ends = run_all(timeout)
    show(form, [_document(*end) for end in ends.items()], (t.id for t in _tasks(ends)), lambda: _table(ends))
    broken = {name: end for name, end in ends.items() if isinstance(end, ClientError) or not end.is_completed}
    for name, end in broken.items():
        complain(f"{name}: {_why(end)}")
    if broken:
        raise typer.Exit(ExitCode.FAILED)
    if form is Form.TABLE:
        note("they are kept: taskrunner list --tag demo")


def _table(ends: Ends) -> Table:
    table = columns("TYPE", "STATUS", "SECONDS", "RESULT")
    for name, end in ends.items():
        if isinstance(end, ClientError):
            row = (name, Text("NOT ENDED", style="red"), "", one_line(end, RESULT_WIDTH))
        else:
            failure = f"{end.error.type}: {end.error.message}" if end.error else ""
            said = compact(_gist(end.result)) if end.is_completed else failure
            row = (name, status_text(end.status), seconds(end.duration), one_line(said, RESULT_WIDTH))
        table.add_row(*cells(row))
    return table


def _why(end: Task | ClientError) -> str:
    """What became of it, whole, and where to read on."""
    if isinstance(end, ClientError):
        return message_of(end)
    said = f"{end.error.type}: {end.error.message}" if end.error else end.status
    return f"{said} (taskrunner get {end.id})"


def _gist(result: Any) -> Any:
    """The part of a result worth a line."""
    return result["text"] if isinstance(result, dict) and isinstance(result.get("text"), str) else result


def _document(name: str, end: Task | ClientError) -> dict[str, Any]:
    return {"type": name, "id": None, "failure": str(end)} if isinstance(end, ClientError) else end.document()


def _tasks(ends: Ends) -> list[Task]:
    return [end for end in ends.values() if not isinstance(end, ClientError)]
