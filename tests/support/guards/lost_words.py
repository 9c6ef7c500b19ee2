"""Guards against lost words: a hint, a reply to a claim or a settle, an answer to a request."""

from __future__ import annotations

from tests.support.guards.guard import Guard
from tests.support.mutations import Both, Code, Schema, Sql
from tests.support.scenes import lost_words

KEY_LOCK, KEY_FIND = "shared.db.statements.idempotency:LOCK", "shared.db.statements.idempotency:FIND"
TRY_LOCK = "pg_try_advisory_xact_lock(hashtextextended(CAST(:tenant_id AS text) || ':' || CAST(:key AS text), 0))"
NO_LOCK = Sql(KEY_LOCK, TRY_LOCK, "CAST(:tenant_id AS text) || CAST(:key AS text) IS NOT NULL")
NO_REPLAY = Sql(KEY_FIND, "AND key = :key", "AND key = :key AND false")
NO_UNIQUE_KEY = Schema(("ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey",))

GUARDS = [
    Guard(
        "poll",
        Code(
            "worker.engine.pump:Pump",
            "if time.monotonic() >= self._next_poll and await",
            "if self._next_poll < 0 and await",
        ),
        lost_words.a_hint_is_lost,
        "a task without a hint is never run",
    ),
    Guard(
        "audit",
        Code("shared.queue.liveness:release_unknown", "if not knows(*run)", "if False", used_in=("worker.vitals",)),
        lost_words.a_reply_to_a_claim_is_lost,
        "a run that nobody knows stays PROCESSING",
    ),
    Guard(
        "row read where the lease is gone",
        Code("shared.queue.settle:settle", "if lost else {}", "if False else {}"),
        lost_words.a_settle_is_repeated,
        "an end was never told",
    ),
    Guard(
        "ends of one task apart",
        Code("shared.queue.settle:settle", "< len(settlements)", "< 0"),
        lost_words.two_runs_of_a_task_end_at_once,
        "the end of one run was taken for another's",
    ),
    Guard(
        "generation in a cancel",
        Code("worker.executions:Executions", "and execution.task.generation == request.generation", ""),
        lost_words.a_cancel_comes_late,
        "a late cancel ended the next generation",
    ),
    Guard("key lock", NO_LOCK, lost_words.a_key_comes_twice_at_once, "a second request with a key was let in"),
    Guard(
        "key lock and unique key",
        Both(NO_LOCK, NO_UNIQUE_KEY),
        lost_words.a_key_comes_twice_at_once,
        "two tasks for one key",
    ),
    Guard("stored answer", NO_REPLAY, lost_words.a_key_comes_again, "a repeat was refused"),
    Guard(
        "stored answer and unique key",
        Both(NO_REPLAY, NO_UNIQUE_KEY),
        lost_words.a_key_comes_again,
        "two tasks for one key",
    ),
]
