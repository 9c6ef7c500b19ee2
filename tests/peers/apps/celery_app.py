"""Celery, set for tasks that must not be lost: acknowledged late, prefetched singly. Runs in its own environment."""

# mypy: disable-error-code="import-not-found, untyped-decorator"
# It is installed in its own environment only.
from __future__ import annotations

import os
import time
import uuid

from celery import Celery, current_task

from tests.peers.apps.producing import produced
from tests.support.ledger import write

app = Celery("peer", broker=os.environ["PEER_REDIS_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)
if "PEER_VISIBILITY" in os.environ:
    app.conf.broker_transport_options = {"visibility_timeout": int(os.environ["PEER_VISIBILITY"])}


@app.task(name="work")
def work(name: str, seconds: float) -> None:
    token = uuid.uuid4().hex
    request = current_task.request
    write(os.environ["PEER_LEDGER"], "start", request.id, request.retries, name, token)
    time.sleep(seconds)
    write(os.environ["PEER_LEDGER"], "end", request.id, request.retries, name, token)


def submit(names: list[str], seconds: float) -> None:
    for name in names:
        work.delay(name, seconds)


if __name__ == "__main__":
    produced(submit)
