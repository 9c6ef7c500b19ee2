"""The maintenance loops, all of one form: a name, an interval, a verb."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.domain.errors import StoreUnavailable
from shared.logs import get_logger
from shared.queue.files import sweep_files
from shared.queue.idempotency import prune_keys
from shared.queue.retention import Cleanup
from shared.queue.settle import expire
from shared.queue.stores import Stores
from shared.queue.workers import prune

CLEANUP_SECONDS = 60.0
"""How often a worker looks whether the day's part is due; it becomes due at 02:00 UTC."""
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Chore:
    """``work`` every ``seconds``. It must be safe to run on every worker at once."""

    name: str
    seconds: float
    work: Callable[[Stores], Awaitable[object]]


CHORES = (
    Chore("expire", 1.0, expire),
    Chore("prune_workers", 60.0, prune),
    Chore("prune_idempotency_keys", 600.0, prune_keys),
    Chore("sweep_files", 3_600.0, sweep_files),
)


async def maintain(stores: Stores) -> None:
    """Run every chore until cancelled; an outage of the database only skips a turn."""
    cleanup = Chore("cleanup_old_tasks", CLEANUP_SECONDS, Cleanup().run)
    async with asyncio.TaskGroup() as group:
        for chore in (*CHORES, cleanup):
            group.create_task(_repeat(chore, stores), name=chore.name)


async def _repeat(chore: Chore, stores: Stores) -> None:
    # A worker may be recycled sooner than that: its first turn comes at a random moment of the interval.
    pause = random.uniform(0, chore.seconds)  # noqa: S311 - no secret
    while True:
        await asyncio.sleep(pause)
        pause = chore.seconds
        try:
            await chore.work(stores)
        except StoreUnavailable:
            log.warning("chore_skipped", chore=chore.name, reason="database away")
        except Exception:
            # No chore is worth the tasks that run beside it.
            log.exception("chore_failed", chore=chore.name)
