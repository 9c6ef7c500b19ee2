"""What the parts of a worker see of the whole, so that none of them imports the composition root."""

from __future__ import annotations

from typing import Protocol

from shared.domain.worker import WorkerInfo
from shared.queue.stores import Stores
from shared.settings import Settings
from worker.blocking import BlockingRunner
from worker.engine.arq_jobs import ArqJobs
from worker.engine.pump import Pump
from worker.executions import Executions


class Incarnation(Protocol):
    """One worker, from its registration to its end. ``state`` is running or draining."""

    settings: Settings
    stores: Stores
    info: WorkerInfo
    state: str
    pump: Pump
    executions: Executions
    blocking: BlockingRunner
    arq_jobs: ArqJobs | None

    def recycle(self) -> None:
        """Claim no more and end within the grace."""
        ...
