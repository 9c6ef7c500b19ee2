"""submit, get, list, watch: one task at a time, through the client."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import service.client as sdk
from service.cli import known
from service.cli.exits import end_with, refusals_end_the_command
from service.cli.inputs import finite, read_input, read_pairs, with_files_uploaded
from service.cli.output import Form, FormOption, note, show
from service.cli.views import attempt_list, task_list, task_sheet

if TYPE_CHECKING:
    from service.client.models import Task

TaskId = Annotated[str, typer.Argument(metavar="ID", help="The task's id.", autocompletion=known.tasks)]
Patience = Annotated[
    float | None,
    typer.Option(min=0, callback=finite, help="Stop looking after so many seconds, with exit code 124."),
]
Statuses = Annotated[
    list[str] | None,
    typer.Option(help="PENDING, PROCESSING, …; repeat for more.", autocompletion=known.statuses),
]
Types = Annotated[list[str] | None, typer.Option(help="Repeat for more.", autocompletion=known.task_types)]
Queues = Annotated[list[str] | None, typer.Option(help="Repeat for more.", autocompletion=known.queues)]


def register(app: typer.Typer) -> None:
    """Add the task commands to ``app``."""
    app.command()(submit)
    app.command()(get)
    app.command()(attempts)
    app.command("list")(list_tasks)
    app.command()(watch)


def submit(
    type: Annotated[
        str,
        typer.Argument(metavar="TYPE", help="A task type: see `taskrunner types`.", autocompletion=known.task_types),
    ],
    source: Annotated[str | None, typer.Argument(metavar="-", help="Read the input as JSON from stdin.")] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="K=V", help="A field: JSON, else text; @path uploads the file first."),
    ] = None,
    document: Annotated[str | None, typer.Option("--json", metavar="JSON", help="The whole input.")] = None,
    queue: Annotated[
        str | None, typer.Option(help="Instead of the type's own queue.", autocompletion=known.queues)
    ] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="0 is first, 9 is last.")] = None,
    delay: Annotated[float | None, typer.Option(min=0, callback=finite, help="Start after so many seconds.")] = None,
    run_at: Annotated[str | None, typer.Option(metavar="TIME", help="Start then, as 2030-01-31T12:00:00Z.")] = None,
    expires_at: Annotated[str | None, typer.Option(metavar="TIME", help="Not started by then, it fails.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A word to find it by; repeat for more.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Kept with it, for you; repeat for more.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=0, callback=finite, help="Seconds an attempt may take.")] = None,
    max_attempts: Annotated[int | None, typer.Option(min=1, help="How often it is tried at most.")] = None,
    concurrency_key: Annotated[str | None, typer.Option(help="Tasks of one key run one at a time.")] = None,
    callback_url: Annotated[str | None, typer.Option(metavar="URL", help="Where its end is told.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key submits the same task once.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it is final; exit code 1 if it failed.")] = False,
    wait_timeout: Patience = None,
    form: FormOption = Form.TABLE,
) -> None:
    """Submit a task."""
    given = read_input(pairs or [], document, source)
    kept = read_pairs(metadata) if metadata else None
    has_spoken = False
    with refusals_end_the_command(), sdk.Client() as client:
        task = client.submit(
            type,
            with_files_uploaded(given, lambda path: _upload(client, path)),
            queue=queue,
            priority=priority,
            delay=delay,
            run_at=run_at,
            expires_at=expires_at,
            tags=tag,
            metadata=kept,
            timeout=timeout,
            max_attempts=max_attempts,
            concurrency_key=concurrency_key,
            callback_url=callback_url,
            idempotency_key=idempotency_key,
        )
        if task.existing:
            note("one with the same unique key was there already: this is it")
        if wait or wait_timeout is not None:
            task, has_spoken = _followed(client, task, form, wait_timeout)
    if not has_spoken:
        _show(task, form)
    if not task.is_final and form is Form.TABLE:
        note(f"watch it: taskrunner watch {task.id}")
    end_with(task)


def get(task_id: TaskId, form: FormOption = Form.TABLE) -> None:
    """Show a task as it stands."""
    with refusals_end_the_command(), sdk.Client() as client:
        _show(client.get(task_id), form)


def attempts(task_id: TaskId, form: FormOption = Form.TABLE) -> None:
    """Show every run of a task, and how each ended."""
    with refusals_end_the_command(), sdk.Client() as client:
        found = client.attempts(task_id)
    show(form, [run.document() for run in found], (str(run.attempt) for run in found), lambda: attempt_list(found))
    if not found and form is Form.TABLE:
        note("it has not run yet")


def list_tasks(
    status: Statuses = None,
    type: Types = None,
    queue: Queues = None,
    tag: Annotated[list[str] | None, typer.Option(help="Repeat for more.")] = None,
    after: Annotated[str | None, typer.Option(metavar="TIME", help="Created after this time.")] = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="Created before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    form: FormOption = Form.TABLE,
) -> None:
    """List tasks, newest first."""
    with refusals_end_the_command(), sdk.Client() as client:
        found = client.list(
            page_size=limit,
            status=[name.upper() for name in status or []],
            type=type,
            queue=queue,
            tag=tag,
            created_after=after,
            created_before=before,
        )
        tasks = list(islice(found, limit))
    show(form, [task.document() for task in tasks], (task.id for task in tasks), lambda: task_list(tasks))
    if not tasks and form is Form.TABLE:
        note("no such tasks")


def watch(task_id: TaskId, timeout: Patience = None, form: FormOption = Form.TABLE) -> None:
    """Follow a task to its end, and hear what it says; exit code 1 if it failed. With -o json: an event a line."""
    with refusals_end_the_command(), sdk.Client() as client:
        if form is Form.JSON:
            from service.cli.following import tell_events  # noqa: PLC0415 - see _followed

            if final := tell_events(client, task_id, timeout):
                end_with(final)
            return
        task, has_spoken = _followed(client, client.get(task_id), form, timeout)
    if not has_spoken:
        _show(task, form)
    end_with(task)


def _followed(client: sdk.Client, task: Task, form: Form, timeout: float | None) -> tuple[Task, bool]:
    """The final task, and whether all there is to see of it stands on stdout already."""
    # Bars are half of rich, which the commands beside it need not load.
    from service.cli.following import follow, tell_end  # noqa: PLC0415

    task, has_spoken = follow(client, task, form, timeout)
    if has_spoken:
        tell_end(task)
    return task, has_spoken and form is Form.TABLE


def _upload(client: sdk.Client, path: Path) -> str:
    info = client.upload(path)
    note(f"uploaded {info.name}: {info.id}")
    return info.id


def _show(task: Task, form: Form) -> None:
    show(form, task.document(), [task.id], lambda: task_sheet(task))
