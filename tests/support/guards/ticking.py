"""Guards of the scheduler: one task a tick, and none of a timing of before."""

from __future__ import annotations

from tests.support.guards.guard import Guard
from tests.support.mutations import Both, Schema, Sql
from tests.support.scenes import ticking

TICK = "shared.db.statements.ticks:MAKE"
NO_NEXT_RUN_CHECK = Schema(("ALTER TABLE schedules DROP CONSTRAINT schedules_next_run_check",))

GUARDS = [
    Guard(
        "primary key of a tick",
        Schema(("ALTER TABLE schedule_ticks DROP CONSTRAINT schedule_ticks_pkey",)),
        ticking.a_stale_scheduler_comes_second,
        "a tick made two tasks",
    ),
    Guard(
        "version of a schedule that is paused",
        Both(Sql(TICK, "AND a.version = s.version", ""), NO_NEXT_RUN_CHECK),
        ticking.a_pause_comes_between,
        "a paused schedule made a task",
    ),
    Guard(
        "version of a schedule that is changed",
        Sql(TICK, "AND a.version = s.version", ""),
        ticking.a_change_comes_between,
        "a timing of before made a task",
    ),
]
