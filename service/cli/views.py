"""Tables of tasks, task types, queues, workers, keys and webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from service.cli.output import cells, columns, compact, one_line, printable, status_text

if TYPE_CHECKING:
    from service.client.key_models import AuditEntry, Key
    from service.client.models import Attempt, Delivery, Operation, Schedule, Task, TaskType, Worker
    from service.client.operator_models import Counts, Queue, Stats
    from service.client.workflow_models import Workflow


def task_list(tasks: Iterable[Task]) -> Table:
    table = columns("ID", "TYPE", "QUEUE", "STATUS", "PROGRESS", "CREATED", "SECONDS")
    for task in tasks:
        row = (task.id, task.type, task.queue, status_text(task.status), progress_of(task), at(task.created_at))
        table.add_row(*cells((*row, seconds(task.duration))))
    return table


def task_sheet(task: Task) -> Table:
    """One task, a line for each fact it has."""
    sheet = Table.grid(padding=(0, 2, 0, 0))
    sheet.add_column(style="dim", no_wrap=True)
    sheet.add_column(overflow="fold")
    for name, value in _facts(task):
        sheet.add_row(name, value if isinstance(value, Text) else Text(printable(value)))
    return sheet


def _facts(task: Task) -> Iterator[tuple[str, str | Text]]:
    yield "id", task.id
    yield "type", task.type
    yield "status", Text.assemble(status_text(task.status), " cancel requested" if _is_stopping(task) else "")
    if task.queue:
        yield "queue", f"{task.queue}, priority {task.priority}"
    if task.attempt:
        again = f", generation {task.generation}" if task.generation > 1 else ""
        yield "attempt", f"{task.attempt} of {task.max_attempts}{again}"
    if not task.is_final and (progress := progress_of(task)):
        yield "progress", progress
    yield from _times(task)
    if task.worker:
        yield "worker", task.worker
    if task.tags:
        yield "tags", ", ".join(task.tags)
    if task.metadata:
        yield "metadata", compact(task.metadata)
    if task.input:
        yield "input", compact(task.input)
    if task.error is not None:
        yield "error", Text(one_line(f"{task.error.type}: {task.error.message}"), style="red")
    if task.result is not None:
        yield "result", compact(task.result)


def _times(task: Task) -> Iterator[tuple[str, str]]:
    yield "created", at(task.created_at)
    if task.status in {"SCHEDULED", "RETRYING"}:
        yield "due", at(task.run_at)
    if task.finished_at is not None:
        yield "ended", at(task.finished_at)
    if task.duration is not None:
        yield "took", f"{seconds(task.duration)} s"


def attempt_list(attempts: Iterable[Attempt]) -> Table:
    table = columns("ATTEMPT", "OUTCOME", "STARTED", "SECONDS", "WORKER", "ERROR")
    for run in attempts:
        number = f"{run.attempt}" if run.generation == 1 else f"{run.attempt}, generation {run.generation}"
        error = "" if run.error is None else f"{run.error.type}: {run.error.message}"
        row = (number, run.outcome, at(run.started_at), seconds(run.duration), run.worker or "", error)
        table.add_row(*cells(row))
    return table


def schedule_list(schedules: Iterable[Schedule]) -> Table:
    table = columns("ID", "NAME", "WHEN", "TYPE", "NEXT RUN", "LAST RUN")
    for one in schedules:
        when = f"every {one.every:g} s" if one.every is not None else f"{one.cron} {one.timezone}"
        coming = at(one.next_run) if one.enabled else "paused"
        table.add_row(*cells((one.id, one.name, when, one.type, coming, at(one.last_run))))
    return table


def workflow_list(workflows: Iterable[Workflow]) -> Table:
    table = columns("ID", "NAME", "STATUS", "DONE", "FAILED", "CREATED")
    for one in workflows:
        done = f"{one.progress.done} of {one.progress.total}"
        row = (one.id, one.name or "", status_text(one.status), done, one.progress.failed or "", at(one.created_at))
        table.add_row(*cells(row))
    return table


def node_list(workflow: Workflow) -> Table:
    table = columns("NODE", "STATUS", "TYPE", "AFTER", "ID", "ERROR")
    for name, node in workflow.nodes.items():
        error = "" if node.error is None else f"{node.error.type}: {node.error.message}"
        row = (name, status_text(node.status), node.type, ", ".join(node.after), node.task or "", error)
        table.add_row(*cells(row))
    return table


def type_list(types: Iterable[TaskType]) -> Table:
    table = columns("TYPE", "QUEUE", "TIMEOUT", "ATTEMPTS", "DESCRIPTION")
    for kind in types:
        timeout = f"{kind.timeout:g} s" if kind.timeout is not None else ""
        table.add_row(*cells((kind.name, kind.queue, timeout, kind.max_attempts or "", kind.description)))
    return table


def worker_list(workers: Iterable[Worker]) -> Table:
    table = columns("ID", "HOST", "STATE", "BUSY", "HEARTBEAT", "VERSION", "QUEUES")
    for worker in workers:
        heartbeat = f"{worker.heartbeat_age:.1f} s ago" if worker.heartbeat_age is not None else ""
        busy = f"{len(worker.running)} of {worker.concurrency}"
        row = (worker.id, f"{worker.hostname} {worker.pid}", worker.state, busy, heartbeat, worker.version or "")
        table.add_row(*cells((*row, ", ".join(worker.queues))))
    return table


def queue_list(queues: Iterable[Queue]) -> Table:
    table = columns("QUEUE", "STATE", "WAITING", "DELAYED", "RUNNING", "OLDEST", "PER SECOND")
    for queue in queues:
        more = "+" if queue.is_lower_bound else ""
        state = Text("paused", style="yellow") if queue.paused else Text("")
        oldest = "" if queue.oldest_age is None else f"{queue.oldest_age:.1f} s"
        rate = "" if queue.throughput is None else f"{queue.throughput:g}"
        counts = (f"{queue.waiting}{more}", f"{queue.delayed}{more}", queue.running)
        table.add_row(*cells((queue.name, state, *counts, oldest, rate)))
    return table


def stats_list(stats: Stats) -> Table:
    table = columns(
        "TYPE", "QUEUE", "SUBMITTED", "PER SECOND", "SUCCESS", "WAIT p50", "p95", "p99", "RUN p50", "p95", "p99"
    )
    for row in stats.data:
        spans = [row.wait.p50, row.wait.p95, row.wait.p99, row.run.p50, row.run.p95, row.run.p99]
        seconds_of = ["" if span is None else f"{span:.3f} s" for span in spans]
        table.add_row(*cells((row.type, row.queue, row.submitted, f"{row.rate:.3g}", _share(row), *seconds_of)))
    table.add_row(*cells(("all", "", stats.total.submitted, f"{stats.total.rate:.3g}", _share(stats.total))))
    return table


def _share(counts: Counts) -> str:
    return "" if counts.success_share is None else f"{100 * counts.success_share:.1f} %"


def operation_list(operations: Iterable[Operation]) -> Table:
    table = columns("ID", "ACTION", "STATE", "DONE", "MATCHED", "TOTAL", "CREATED")
    for one in operations:
        total = "" if one.total is None else one.total
        table.add_row(*cells((one.id or "", one.action, one.state, one.done, one.matched, total, at(one.created_at))))
    return table


def operation_sheet(operation: Operation) -> Table:
    """One operation or dry run, a line for each fact it has."""
    more = " or more" if operation.is_lower_bound else ""
    facts = {
        "id": operation.id,
        "action": operation.action,
        "state": "dry run" if operation.dry_run else operation.state,
        "filter": compact(operation.filter) if operation.filter is not None else None,
        "matched": f"{operation.matched}{more}"
        if operation.total is None
        else f"{operation.matched} of {operation.total}",
        "done": None if operation.dry_run else operation.done,
        "skipped": ", ".join(f"{number} {reason}" for reason, number in operation.skipped.items()),
    }
    sheet = Table.grid(padding=(0, 2, 0, 0))
    for name, value in facts.items():
        if value not in {None, ""}:
            sheet.add_row(*cells((name, value)))
    return sheet


def key_list(keys: Iterable[Key]) -> Table:
    table = columns("ID", "NAME", "SCOPES", "CREATED", "LAST USED", "ENDS", "REPLACED BY")
    for key in keys:
        times = (at(key.created_at), at(key.last_used_at), at(key.expires_at))
        table.add_row(*cells((key.id, key.name, ", ".join(key.scopes), *times, key.replaced_by or "")))
    return table


def audit_list(entries: Iterable[AuditEntry]) -> Table:
    table = columns("AT", "KEY", "ACTION", "TARGET", "DETAILS")
    for entry in entries:
        details = ", ".join(f"{name}={compact(value)}" for name, value in entry.details.items())
        table.add_row(*cells((at(entry.at), entry.key or "", entry.action, entry.target, details)))
    return table


def delivery_list(deliveries: Iterable[Delivery]) -> Table:
    table = columns("ID", "EVENT", "OF", "STATE", "ATTEMPTS", "LAST ANSWER", "NEXT", "TO")
    for one in deliveries:
        last = one.attempts[-1] if one.attempts else None
        answered = "" if last is None else last.status or last.error or "no answer"
        row = (one.id, one.type, one.task or one.workflow or "", one.state, one.attempt, answered)
        table.add_row(*cells((*row, at(one.due_at), one.url)))
    return table


def progress_of(task: Task) -> str:
    """Percent and message, as far as there are any."""
    if task.progress is None:
        return ""
    return f"{task.progress.percent:.0f} % {task.progress.message or ''}".strip()


def _is_stopping(task: Task) -> bool:
    return task.cancel_requested and not task.is_final


def seconds(duration: float | None) -> str:
    return "" if duration is None else f"{duration:.2f}"


def at(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"
