"""What is counted of a run that was settled."""

from __future__ import annotations

from shared.domain.task import ClaimedTask
from shared.domain.verdict import Verdict
from shared.metrics import TASK_RUN, TASK_WAIT, TASKS_ENDED, TASKS_FENCED
from shared.queue.settle import Settled


def count_run(task: ClaimedTask, verdict: Verdict, settled: Settled | None) -> None:
    """``settled`` None: the run had lost its lease, and another one counts."""
    if settled is None:
        TASKS_FENCED.add()
        return
    is_poison = verdict.error is not None and verdict.error.type == "poison"
    TASKS_ENDED.add(task.type, task.queue, "poison" if is_poison else verdict.outcome.value)
    TASK_RUN.add(settled.duration, task.type, task.queue)
    if task.attempt == 1:
        TASK_WAIT.add((task.started_at - task.created_at).total_seconds(), task.type, task.queue)
