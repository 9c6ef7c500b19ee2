"""doctor: looks at a running service from outside, and says what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Annotated

import typer
from rich.text import Text

import service.client as sdk
from service.cli import findings, trials
from service.cli.exits import ExitCode, message_of, refusals_end_the_command
from service.cli.findings import Finding, Level, failure, ok
from service.cli.inputs import finite
from service.cli.output import Form, FormOption, one_line, out, show
from service.client.errors import ClientError

MARKS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.FAILURE: ("✗", "red")}
NAME_WIDTH = 12


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(doctor)


def doctor(
    timeout: Annotated[float, typer.Option(min=1, callback=finite, help="Seconds each round trip may take.")] = 60,
    form: FormOption = Form.TABLE,
) -> None:
    """Examine the running service; exit code 1 if anything is broken."""
    found = []
    with refusals_end_the_command(), sdk.Client() as client:
        for finding in examine(client, timeout):
            found.append(finding)
            if form is Form.TABLE:
                _print(finding)
    if form is not Form.TABLE:
        show(form, [finding.document() for finding in found], (finding.name for finding in found), Text)
    if any(finding.level is Level.FAILURE for finding in found):
        raise typer.Exit(ExitCode.FAILED)


def examine(client: sdk.Client, timeout: float) -> Iterator[Finding]:
    """One finding after the other; ends early where what follows could not be told."""
    try:
        began = perf_counter()
        ready = client.ready()
        yield ok("reachable", f"{client.url} in {1000 * (perf_counter() - began):.0f} ms")
        if ready.status == "unavailable":
            yield from findings.of_components(ready)
            return
        health, workers, types = client.health(), client.workers(), client.task_types()
    except ClientError as error:
        yield _away(error)
        return
    yield from findings.of_versions(health, _own_version())
    yield from findings.of_components(health)
    yield from findings.of_pools(health, workers)
    yield from findings.of_workers(health, workers, types)
    if workers:
        offered = {kind.name for kind in types}
        yield from (trials.attempt(trial, client, timeout) for trial in trials.TRIALS if trial.type in offered)


def _away(error: ClientError) -> Finding:
    match error:
        case sdk.Unreachable():
            fix = "start it: make up, or taskrunner up; or let TASKRUNNER_URL say where it runs"
            return failure("reachable", str(error), fix)
        case sdk.Unauthorized():
            fix = "put a valid key into TASKRUNNER_API_KEY; where the service runs, taskrunner keys create makes one"
            return failure("access", error.detail, fix)
        case _:
            return failure("access", message_of(error), "look at the log of what answers at TASKRUNNER_URL")


def _print(finding: Finding) -> None:
    mark, style = MARKS[finding.level]
    console = out()
    line = Text.assemble((mark, style), f" {finding.name:<{NAME_WIDTH}} ", one_line(finding.detail))
    console.print(line, soft_wrap=True)
    if finding.fix:
        console.print(Text(f"  {'':<{NAME_WIDTH}} → {one_line(finding.fix)}", style="dim"), soft_wrap=True)


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - other commands need not load it

    try:
        return version("async-ai-task-runner")
    except PackageNotFoundError:
        # Run from a checkout that was never installed.
        return "unknown"
