"""The rows of the tables of ``top``: queues, workers, running tasks, failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

import service.client as sdk
from service.cli.output import one_line
from service.cli.top.board import Board
from service.cli.top.snapshot import Snapshot
from service.cli.views import progress_of

SHORT_ID = 12
"""Of an id's end, which is chance; its beginning is the time, which all of them share."""


NAME_WIDTH = 20
HOST_WIDTH = 12
MESSAGE_WIDTH = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    cells: Sequence[object]
    is_chosen: bool = False


def queues(seen: Snapshot) -> list[Row]:
    return _or_nothing((_queue(queue) for queue in seen.queues), "there is no queue")


def workers(seen: Snapshot, *, is_wide: bool) -> list[Row]:
    rows = [
        Row(
            (
                _id(worker.id, is_wide=is_wide),
                f"{one_line(worker.hostname, None if is_wide else HOST_WIDTH)} {worker.pid or ''}",
                Text(one_line(worker.state), style="" if worker.state == "running" else "yellow"),
                f"{len(worker.running)} of {worker.concurrency}",
                _span(worker.heartbeat_age),
                _since(worker.started_at, seen.at),
                ", ".join(worker.queues),
            )
        )
        for worker in seen.workers
    ]
    return _or_nothing(rows, Text("none lives: taskrunner worker", style="red"))


def running(board: Board, *, is_wide: bool) -> list[Row]:
    return _or_nothing(
        (
            _task(board, task, _since(task.started_at, board.seen.at), progress_of(task), is_wide=is_wide)
            for task in board.running
        ),
        "nothing runs",
    )


def failures(board: Board, *, is_wide: bool) -> list[Row]:
    rows = []
    for task in board.seen.failures:
        error = "" if task.error is None else one_line(f"{task.error.type}: {task.error.message}", MESSAGE_WIDTH)
        rows.append(
            _task(board, task, _since(task.finished_at, board.seen.at), Text(error, style="red"), is_wide=is_wide)
        )
    return _or_nothing(rows, "nothing failed")


def _queue(queue: sdk.Queue) -> Row:
    more = "+" if queue.is_lower_bound else ""
    state = Text("paused", style="yellow") if queue.paused else Text("")
    rate = "" if queue.throughput is None else f"{queue.throughput:g}"
    counts = (f"{queue.waiting}{more}", f"{queue.delayed}{more}", queue.running)
    return Row((queue.name, state, *counts, _span(queue.oldest_age), rate))


def _task(board: Board, task: sdk.Task, moment: str, told: object, *, is_wide: bool) -> Row:
    names = [one_line(name, None if is_wide else NAME_WIDTH) for name in (task.type, task.queue)]
    row = (_id(task.id, is_wide=is_wide), *names, moment, told)
    return Row(row, is_chosen=task.id == board.chosen)


def _or_nothing(rows: Iterable[Row], nothing: str | Text) -> list[Row]:
    return list(rows) or [Row((Text(nothing, style="dim") if isinstance(nothing, str) else nothing,))]


def _id(id: str, *, is_wide: bool) -> str:
    return id if is_wide or len(id) <= SHORT_ID + 1 else f"…{id[-SHORT_ID:]}"


def _since(moment: datetime | None, now: datetime) -> str:
    # The service's clock may be ahead of ours.
    return "" if moment is None else _span(max(0.0, (now - moment).total_seconds()))


def _span(seconds: float | None) -> str:
    """A length of time in one unit."""
    if seconds is None:
        return ""
    for limit, size, unit in ((10, 0, "s"), (120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}" if size else f"{seconds:.1f} {unit}"
    return f"{seconds / 86_400:.0f} d"
