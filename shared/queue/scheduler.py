"""The scheduler: makes the tasks of due ticks. Every worker runs it; the primary key of a tick lets one of them win.

Nobody leads, so nobody's death is waited for. Which ticks are due is PostgreSQL's clock alone.
"""

from __future__ import annotations

from shared.broker.hints import hint_of
from shared.db.statements import ticks as statements
from shared.db.statements.ticks import Coming, Due
from shared.domain.errors import InputRefused
from shared.domain.happenings import Happening, Name
from shared.domain.ids import new_id
from shared.domain.schedule import agenda, timing_of
from shared.domain.states import Status
from shared.domain.task import DEFAULT_PRIORITY
from shared.domain.unique import key_of
from shared.logs import get_logger
from shared.metrics import TASKS_SUBMITTED
from shared.queue.planning import limits_of
from shared.queue.pruning import prune_in_batches
from shared.queue.stores import Stores
from shared.registry import Registry
from shared.settings import Settings

LOOK_SECONDS = 2.0
"""A schedule made or changed elsewhere is seen as soon as that."""
SCHEDULES_AT_ONCE = 200
TICKS_AT_ONCE = 1_000
"""Rows of one statement; an outage's backlog of one schedule is no longer than that."""
TICKS_KEPT_SECONDS = 48 * 3_600.0
"""A tick must be known for as long as anybody may still try to make it: seconds."""
log = get_logger(__name__)


async def make_due_ticks(stores: Stores, registry: Registry) -> float:
    """Make what is due; returns the seconds until the next look pays. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        found = await statements.coming(session, types=registry.types, within=LOOK_SECONDS, most=SCHEDULES_AT_ONCE)
        due, is_all = _due(registry, stores.settings, [one for one in found if one.next_run <= one.now])
        made = await statements.make(session, due, priority=DEFAULT_PRIORITY) if due else []
    stores.feed.tell(
        Happening(Name.SUBMITTED, task.tenant_id, task.id, task.type, task.queue, Status.PENDING, 0, 1) for task in made
    )
    stores.hint([hint_of(task.id, task.queue, task.priority, task.limits) for task in made])
    for task in made:
        TASKS_SUBMITTED.add(task.type, task.queue)
    if made:
        log.debug("ticks_made", tasks=len(made))
    if not is_all or len(found) == SCHEDULES_AT_ONCE:
        return 0.0
    nexts = [one.next_run for one in found] + [one.next_run for one in due]
    waits = [(at - found[0].now).total_seconds() for at in nexts]
    return min([LOOK_SECONDS, *(wait for wait in waits if wait > 0)])


async def prune_ticks(stores: Stores) -> int:
    """Forget ticks past their time; how many. Raises: StoreUnavailable."""
    return await prune_in_batches(
        stores, lambda session, most: statements.prune(session, after=TICKS_KEPT_SECONDS, most=most)
    )


def _due(registry: Registry, settings: Settings, found: list[Coming]) -> tuple[list[Due], bool]:
    """As many of ``found`` as one statement takes; whether that is all."""
    due: list[Due] = []
    for index, schedule in enumerate(found):
        try:
            due.append(_planned(registry, settings, schedule))
        except InputRefused as error:
            # It ticked when it was made: this machine lacks its time zone, and another may have it.
            log.warning("schedule_unreadable", schedule=str(schedule.id), reason=str(error))
        if sum(len(one.ticks) for one in due) >= TICKS_AT_ONCE:
            return due, index + 1 == len(found)
    return due, True


def _planned(registry: Registry, settings: Settings, schedule: Coming) -> Due:
    definition = registry.get(schedule.type)
    timing = timing_of(schedule.cron, schedule.every, schedule.timezone, schedule.created_at)
    queue = schedule.queue or definition.queue
    planned = agenda(timing, schedule.next_run, schedule.now, schedule.catch_up)
    return Due(
        schedule.id,
        schedule.version,
        [(tick, new_id()) for tick in planned.ticks],
        planned.next_run,
        queue,
        definition.timeout,
        definition.max_attempts,
        _unique_key(registry, schedule),
        limits_of(definition, settings, queue),
    )


def _unique_key(registry: Registry, schedule: Coming) -> bytes | None:
    """None, too, where the type does not take this input any more: its worker will say so."""
    unique = registry.get(schedule.type).unique
    if unique is None:
        return None
    try:
        return key_of(unique, registry.validate_input(schedule.type, schedule.input))
    except InputRefused:
        return None
