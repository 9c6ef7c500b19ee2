"""Schedules as people handle them: make, read, change, remove. Times are PostgreSQL's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.statements import schedules as statements
from shared.domain.errors import Conflict, InputRefused, NotFound
from shared.domain.ids import new_id
from shared.domain.schedule import CatchUp, Schedule
from shared.domain.task import NewTask
from shared.domain.timing import check_cron, check_zone, next_after
from shared.queue.audit import Actor, note
from shared.queue.planning import Request, plan
from shared.queue.stores import Stores
from shared.registry import Registry

TRIES = 5
"""A change is planned on a version: this often it may find another one was faster."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A schedule as somebody asks for it. ``every`` is seconds; give it or ``cron``."""

    name: str
    type: str
    input: dict[str, Any] = field(default_factory=dict)
    cron: str | None = None
    every: float | None = None
    timezone: str = "UTC"
    queue: str | None = None
    enabled: bool = True
    catch_up: CatchUp = CatchUp.ONE


class Schedules:
    """The schedules of every tenant, over the task types and queues that this process knows."""

    def __init__(self, stores: Stores, registry: Registry) -> None:
        self._stores = stores
        self._registry = registry

    async def create(self, session: AsyncSession, tenant_id: int, wanted: Wanted, by: Actor | None = None) -> Schedule:
        """Store a schedule; its first tick is the next one from now.

        Raises: InputRefused, UnknownTaskType, Conflict (the name is taken).
        """
        now = await statements.now(session)
        asked = Schedule(
            id=new_id(),
            tenant_id=tenant_id,
            name=wanted.name,
            cron=wanted.cron,
            every=wanted.every,
            timezone=wanted.timezone,
            type=wanted.type,
            input=wanted.input,
            queue=wanted.queue,
            enabled=wanted.enabled,
            catch_up=wanted.catch_up,
            is_builtin=False,
            version=1,
            created_at=now,
            updated_at=now,
            next_run=None,
            last_run=None,
        )
        self._check(asked, now)
        made = await statements.insert(session, _armed(asked, now))
        await note(session, by, "schedule.create", made.id, name=made.name, type=made.type)
        return made

    async def get(self, tenant_id: int, schedule_id: UUID) -> Schedule:
        """Raises: NotFound."""
        async with self._stores.db.autocommit() as session:
            found = await statements.get(session, tenant_id, schedule_id)
            if found is None:
                raise NotFound
            return _shown(found, await statements.now(session))

    async def page(self, tenant_id: int, *, limit: int, before: UUID | None = None) -> list[Schedule]:
        """Newest first; those built in come last."""
        async with self._stores.db.autocommit() as session:
            found = await statements.page(session, tenant_id, limit=limit, before=before)
            now = await statements.now(session)
        return [_shown(schedule, now) for schedule in found]

    async def change(
        self, tenant_id: int, schedule_id: UUID, changes: dict[str, Any], by: Actor | None = None
    ) -> Schedule:
        """Change these fields; a timing that changed, or was resumed, goes on from now.

        Raises: NotFound, InputRefused, UnknownTaskType, Conflict.
        """
        for _ in range(TRIES):
            async with self._stores.db.transaction() as session:
                found = await statements.get(session, tenant_id, schedule_id)
                if found is None:
                    raise NotFound
                now = await statements.now(session)
                stored = await statements.update(session, self._changed(found, changes, now))
                if stored is not None:
                    await note(session, by, "schedule.change", stored.id, name=stored.name, fields=sorted(changes))
                    return _shown(stored, now)
        raise Conflict("Others change this schedule at the same time. Read it, and try again.")

    async def delete(self, tenant_id: int, schedule_id: UUID, by: Actor | None = None) -> None:
        """Remove it; tasks it made stay. Raises: NotFound, Conflict (built in)."""
        async with self._stores.db.transaction() as session:
            if await statements.delete(session, tenant_id, schedule_id):
                await note(session, by, "schedule.delete", schedule_id)
                return
            if await statements.get(session, tenant_id, schedule_id) is None:
                raise NotFound
        raise Conflict("This schedule is built in: disable it instead.")

    async def plan_run(self, tenant_id: int, schedule_id: UUID) -> NewTask:
        """The task that running it now takes, ready to store. Raises: NotFound, Conflict, and as ``plan`` does."""
        found = await self.get(tenant_id, schedule_id)
        if found.is_builtin:
            raise Conflict("This schedule is built in: it makes no task, and runs as soon as anything is due.")
        metadata = {"schedule_id": str(found.id), "schedule": found.name, "tick": None}
        request = Request(
            found.type, found.input, queue=found.queue, tags=[f"schedule:{found.name}"], metadata=metadata
        )
        return plan(self._registry, self._stores.settings, request)

    def _changed(self, found: Schedule, changes: dict[str, Any], now: datetime) -> Schedule:
        if found.is_builtin and changes.keys() - {"enabled"}:
            raise InputRefused([(f"/{min(changes.keys() - {'enabled'})}", "Built in: only enabled can be changed.")])
        if found.is_builtin:
            return replace(found, **changes)
        timing = changes.keys() & {"cron", "every"}
        # Giving one of the two takes the other away.
        others = {"cron": None, "every": None} if any(changes[name] is not None for name in timing) else {}
        asked = replace(found, **{**others, **changes})
        self._check(asked, now)
        is_same = (asked.timing, asked.enabled) == (found.timing, found.enabled)
        return asked if is_same else _armed(asked, now)

    def _check(self, asked: Schedule, now: datetime) -> None:
        """Raises: InputRefused, UnknownTaskType."""
        if (asked.cron is None) == (asked.every is None):
            raise InputRefused([("/cron", "Give either cron or every.")])
        check_zone(asked.timezone)
        if asked.cron is not None:
            check_cron(asked.cron, asked.timezone, now)
        plan(self._registry, self._stores.settings, Request(asked.type, asked.input, queue=asked.queue))


def _armed(schedule: Schedule, now: datetime) -> Schedule:
    """With the tick that comes next, if it is enabled at all."""
    return replace(schedule, next_run=next_after(schedule.timing, now) if schedule.enabled else None)


def _shown(schedule: Schedule, now: datetime) -> Schedule:
    """No scheduler fires a built-in one: what comes next is known all the same."""
    return _armed(schedule, now) if schedule.is_builtin else schedule
