"""The command line of ``up``, ``api``, ``worker`` and ``migrate``.

Imports what they need only when they run: the client commands beside them start without a server library.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from shared.domain.errors import ConfigurationError, StoreUnavailable, why_unavailable

P = ParamSpec("P")

Host = Annotated[str, typer.Option(help="Address the API listens on.")]
HttpPort = Annotated[int, typer.Option(min=1, max=65_535, help="Port the API listens on.")]
Queues = Annotated[str | None, typer.Option(help="Queues the workers take from, first to last: a,b.")]
Concurrency = Annotated[int | None, typer.Option(min=1, max=1_000, help="Tasks a worker runs at once.")]


def register(app: typer.Typer) -> None:
    """Add the process commands to ``app``."""
    for command in (up, api, worker, migrate):
        app.command()(with_one_line_errors(command))


def up(
    host: Host = "127.0.0.1",
    port: HttpPort = 8000,
    data_dir: Annotated[Path, typer.Option(help="Where databases, files, mails and secrets are kept.")] = Path(
        ".taskrunner"
    ),
    workers: Annotated[int, typer.Option(min=0, max=64, help="Worker processes.")] = 1,
    queues: Queues = None,
    concurrency: Concurrency = None,
) -> None:
    """Run everything in this terminal: PostgreSQL, Valkey, a mail sink, the API and workers."""
    from service.cli.process.plan import Options
    from service.cli.process.up import run_up

    run_up(Options(host, port, data_dir.expanduser().resolve(), workers, _worker_settings(queues, concurrency)))


def api(
    host: Host = "127.0.0.1",
    port: HttpPort = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="API processes behind the port.")] = 1,
    fd: Annotated[int | None, typer.Option(min=3, help="Listen on this inherited socket instead.")] = None,
) -> None:
    """Run the API. It needs DATABASE_URL and REDIS_URL, and a migrated database."""
    from service.cli.process.launch import become_api

    become_api(host, port, workers, fd)


def worker(queues: Queues = None, concurrency: Concurrency = None) -> None:
    """Run one worker, as `arq worker.WorkerSettings` does. It needs DATABASE_URL and REDIS_URL."""
    from service.cli.process.launch import become_worker

    become_worker(_worker_settings(queues, concurrency))


def migrate() -> None:
    """Bring the database to the newest schema and print its revision."""
    from service.cli.process.launch import migrated_revision

    print(migrated_revision())


def _worker_settings(queues: str | None, concurrency: int | None) -> dict[str, str]:
    """The options as the environment variables a worker reads."""
    given = {"TASKRUNNER_QUEUES": queues, "TASKRUNNER_CONCURRENCY": concurrency}
    return {name: str(value) for name, value in given.items() if value is not None}


def with_one_line_errors(command: Callable[P, None]) -> Callable[P, None]:
    """A wrong setting is one line on stderr and exit code 2; a store that is away, exit code 5."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ConfigurationError as error:
            print(f"taskrunner: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except StoreUnavailable as error:
            print(f"taskrunner: {why_unavailable(error)}", file=sys.stderr)
            raise typer.Exit(5) from None

    return run
