"""What one look at the service found: four requests, whatever their answers, and a fifth for the last hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import service.client as sdk

MOST_RUNNING = 50
MOST_FAILURES = 20
HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``running`` and ``failures`` are the newest ones alone. ``at`` is our clock's."""

    at: datetime
    queues: list[sdk.Queue]
    workers: list[sdk.Worker]
    running: list[sdk.Task]
    failures: list[sdk.Task]

    def counters(self) -> dict[str, int]:
        """Tasks that are not over, and slots. Waiting and delayed ones are as many at least, if a count was cut."""
        return {
            "waiting": sum(queue.waiting for queue in self.queues),
            "delayed": sum(queue.delayed for queue in self.queues),
            "running": sum(queue.running for queue in self.queues),
            "slots": sum(worker.concurrency or 0 for worker in self.workers),
            "workers": len(self.workers),
        }

    @property
    def is_lower_bound(self) -> bool:
        return any(queue.is_lower_bound for queue in self.queues)

    @property
    def throughput(self) -> float | None:
        """Tasks ended a second, in the last minute; None while the service does not know."""
        rates = [queue.throughput for queue in self.queues if queue.throughput is not None]
        return round(sum(rates), 3) if rates else None

    def document(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "counters": {**self.counters(), "is_lower_bound": self.is_lower_bound},
            "throughput": self.throughput,
            "queues": [queue.document() for queue in self.queues],
            "workers": [worker.document() for worker in self.workers],
            "running": [task.document() for task in self.running],
            "failures": [task.document() for task in self.failures],
        }


def look(client: sdk.Client) -> Snapshot:
    """What is there now. Raises: ClientError."""
    queues, workers = client.queues(), client.workers()
    running = list(islice(client.list(page_size=MOST_RUNNING, status="PROCESSING"), MOST_RUNNING))
    failures = list(islice(client.list(page_size=MOST_FAILURES, status="FAILED"), MOST_FAILURES))
    return Snapshot(datetime.now(UTC), queues, workers, running, failures)


def look_back(client: sdk.Client) -> sdk.Stats | None:
    """How the tasks of the last hour ended; None where nobody says: a busy hour may take the database too long."""
    try:
        return client.stats(HOUR)
    except sdk.ClientError:
        return None
