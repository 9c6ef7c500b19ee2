"""Guards of life and death: who is declared dead, and whose runs are taken back."""

from __future__ import annotations

from tests.support.guards.guard import LOCKED, RESCUE, Guard
from tests.support.mutations import Code, Sql
from tests.support.scenes import liveness
from tests.support.scenes.liveness import a_watch

WATCH = "shared.domain.deathwatch:DeathWatch"
STEADY = tuple((float(second), second + 0.01) for second in range(6))


def watching(name: str, old: str, new: str, wrong: str, *readings: tuple[float, float] | None) -> Guard:
    return Guard(name, Code(WATCH, old, new, used_in=("shared.queue.liveness",)), a_watch(wrong, *readings), wrong)


GUARDS = [
    Guard(
        "compare-and-set on the beat",
        Sql("shared.db.statements.liveness:DECLARE_DEAD", "beat = :beat", "beat >= :beat"),
        liveness.a_watcher_judges_too_late,
        "a worker that beats was declared dead",
    ),
    Guard(
        "live worker in rescue",
        Sql(RESCUE, "AND w.state <> 'dead')", "AND false)"),
        liveness.a_rescue_finds_the_living,
        "a living worker lost its run",
    ),
    Guard(
        "death in rescue",
        Sql(RESCUE, "AND w.state <> 'dead')", ")"),
        liveness.a_rescue_finds_the_dead,
        "a dead worker kept its run",
    ),
    Guard("row lock in rescue", Sql(RESCUE, LOCKED, ""), liveness.two_rescues_meet, "two rescues took one run back"),
    Guard(
        "SKIP LOCKED in rescue",
        Sql(RESCUE, LOCKED, "FOR NO KEY UPDATE"),
        liveness.two_rescues_meet,
        "a rescue waited for a lock",
    ),
    Guard(
        "death in the heartbeat",
        Sql("shared.db.heartbeat:BEAT", "WHERE id = $1 AND state <> 'dead'", "WHERE id = $1"),
        liveness.a_dead_worker_beats,
        "a zombie was told that it lives",
    ),
    watching(
        "slow readings",
        "if not (is_prompt and is_regular):",
        "if not is_regular:",
        "a slow reading killed a worker",
        *STEADY,
        (6.0, 8.0),
        (8.5, 8.51),
    ),
    watching(
        "irregular readings",
        "if not (is_prompt and is_regular):",
        "if not is_prompt:",
        "a watcher that stood still killed a worker",
        (0.0, 0.01),
        (600.0, 600.01),
    ),
    watching(
        "failed readings",
        "self._since.clear()",
        "pass",
        "a failed reading killed a worker",
        *STEADY,
        None,
        (7.0, 7.01),
    ),
]
