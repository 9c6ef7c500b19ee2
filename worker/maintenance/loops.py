"""The maintenance loops, all of one form: a name, an interval, a verb."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from shared.domain.errors import StoreUnavailable
from shared.logs import get_logger
from shared.metrics import CHORE_TURNS
from shared.queue.audit import prune_audit
from shared.queue.bulk import run_operations
from shared.queue.files import sweep_files
from shared.queue.hourly_stats import generate_hourly_stats
from shared.queue.idempotency import prune_idempotency_keys
from shared.queue.limits import prune_rates
from shared.queue.operations import prune_operations
from shared.queue.retention import Cleanup
from shared.queue.scheduler import LOOK_SECONDS, make_due_ticks, prune_ticks
from shared.queue.settle import expire
from shared.queue.stores import Stores
from shared.queue.webhook_secrets import prune_secrets
from shared.queue.workers import prune_workers
from shared.queue.workflows import finish_cancels
from shared.registry import Registry
from worker.maintenance.webhooks import Courier

CLEANUP_SECONDS = 60.0
"""How often a worker looks whether the day's part is due; it becomes due at 02:00 UTC."""
APART_SECONDS = 0.03
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sooner:
    """What ``work`` may return: seconds until its next turn."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Chore:
    """``work`` every ``seconds``, or sooner where it says so. It must be safe to run on every worker at once."""

    name: str
    seconds: float
    work: Callable[[Stores], Awaitable[object]]


CHORES = (
    Chore("expire", 2.0, expire),
    Chore("run_operations", 2.0, run_operations),
    Chore("prune_workers", 60.0, prune_workers),
    Chore("finish_cancels", 5.0, finish_cancels),
    Chore("prune_idempotency_keys", 600.0, prune_idempotency_keys),
    Chore("prune_operations", 600.0, prune_operations),
    Chore("sweep_files", 3_600.0, sweep_files),
    Chore("prune_webhook_secrets", 3_600.0, prune_secrets),
    Chore("prune_audit", 3_600.0, prune_audit),
    Chore("prune_ticks", 60.0, prune_ticks),
    Chore("prune_rates", 3_600.0, prune_rates),
    Chore("generate_hourly_stats", 60.0, generate_hourly_stats),
)


async def maintain(stores: Stores, registry: Registry) -> None:
    """Run every chore until cancelled; an outage of the database only skips a turn."""
    own = (
        Chore("cleanup_old_tasks", CLEANUP_SECONDS, Cleanup().run),
        Chore("make_due_ticks", LOOK_SECONDS, partial(_make_due_ticks, registry)),
    )
    async with asyncio.TaskGroup() as group:
        for chore in (*CHORES, *own):
            group.create_task(_repeat(chore, stores), name=chore.name)
        if stores.settings.secret_key is None:
            log.info("webhooks_off", reason="TASKRUNNER_SECRET_KEY is not set")
        else:
            group.create_task(Courier(stores).run(), name="webhooks")


async def _repeat(chore: Chore, stores: Stores) -> None:
    # A worker may be recycled sooner than that: its first turn comes at a random moment of the interval.
    pause = random.uniform(0, chore.seconds)  # noqa: S311 # nosec B311 # no secret
    CHORE_TURNS.expect(chore.name, "failed")
    while True:
        await asyncio.sleep(pause)
        pause = chore.seconds
        try:
            done = await chore.work(stores)
            if isinstance(done, Sooner):
                pause = done.seconds
            CHORE_TURNS.add(chore.name, "done")
        except StoreUnavailable:
            CHORE_TURNS.add(chore.name, "skipped")
            log.warning("chore_skipped", chore=chore.name, reason="database away")
        except Exception:
            # No chore is worth the tasks that run beside it.
            CHORE_TURNS.add(chore.name, "failed")
            log.exception("chore_failed", chore=chore.name)


async def _make_due_ticks(registry: Registry, stores: Stores) -> Sooner:
    wait = await make_due_ticks(stores, registry)
    # All workers know the same next tick: a little apart, the first makes it, and the others find it made.
    return Sooner(wait + random.uniform(0, APART_SECONDS))  # noqa: S311 # nosec B311 # no secret
