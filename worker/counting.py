"""What is counted of a run that was settled."""

from __future__ import annotations

from shared.domain.states import Status
from shared.domain.task import ClaimedTask
from shared.domain.verdict import Verdict
from shared.metrics import RUNS_ENDED, TASK_RUN, TASK_WAIT, TASKS_ENDED, TASKS_FENCED, TASKS_POISONED
from shared.queue.settle import Settled
from shared.registry import Registry


def expect_types(registry: Registry) -> None:
    """Show what may end here before anything has, so that the first failure is seen as one more."""
    for definition in registry:
        for status in (Status.COMPLETED, Status.FAILED):
            TASKS_ENDED.expect(definition.type, definition.queue, status.value)


def count_run(task: ClaimedTask, verdict: Verdict, settled: Settled | None) -> None:
    """``settled`` None: the run had lost its lease, and another one counts."""
    if settled is None:
        TASKS_FENCED.add()
        return
    is_poison = verdict.error is not None and verdict.error.type == "poison"
    RUNS_ENDED.add(task.type, task.queue, "poison" if is_poison else verdict.outcome.value)
    TASK_RUN.add(settled.duration, task.type, task.queue)
    if task.wait is not None:
        TASK_WAIT.add(task.wait, task.type, task.queue)
    if settled.status.is_final:
        TASKS_ENDED.add(task.type, task.queue, settled.status.value)
    if is_poison:
        TASKS_POISONED.add()
