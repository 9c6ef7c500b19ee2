"""Every guard of the protocol is needed: take one away, and a scene that ended well ends badly."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from shared.queue.stores import Stores
from shared.settings import Settings
from tests.support.mutations import Both, Code, Mutation, Schema, Sql, alter, in_function, without
from tests.support.scenes import (
    bulk,
    keys,
    limits,
    liveness,
    lost_words,
    moves,
    operations,
    ownership,
    ticking,
    webhooks,
    workflows,
)
from tests.support.scenes.liveness import a_watch
from tests.support.scenes.making import Scene, by_hint, by_poll
from tests.support.scenes.moves import somebody_writes
from tests.support.scenes.ownership import a_claim_is_refused
from tests.support.servers import Servers
from tests.support.stores import empty

BY_IDS, BY_ORDER = "shared.db.statements.claim:BY_IDS", "shared.db.statements.claim:BY_ORDER"
SETTLE = "shared.db.statements.settle:SETTLE"
RESCUE, RELEASE = "shared.db.statements.liveness:RESCUE", "shared.db.statements.liveness:RELEASE"
KEY_LOCK, KEY_FIND = "shared.db.statements.idempotency:LOCK", "shared.db.statements.idempotency:FIND"
PURGE = "shared.db.statements.queues:PURGE"
WATCH = "shared.domain.deathwatch:DeathWatch"
TICK = "shared.db.statements.ticks:MAKE"
CARRY = "shared.db.statements.webhooks"
BULK = "shared.db.statements.bulk"
KEYS_STORED = "shared.db.statements.keys"
FLOW = "shared.db.statements.workflow_moves"
STEPS = "shared.db.migrations.versions.0012_workflow_plans"

COUNT = "shared.db.statements.limits"

TRY_LIMIT = "pg_try_advisory_xact_lock(hashtextextended('limit ' || n.name, 0))"
LOCKED = "FOR NO KEY UPDATE SKIP LOCKED"
TRY_LOCK = "pg_try_advisory_xact_lock(hashtextextended(CAST(:tenant_id AS text) || ':' || CAST(:key AS text), 0))"
NO_LOCK = Sql(KEY_LOCK, TRY_LOCK, "CAST(:tenant_id AS text) || CAST(:key AS text) IS NOT NULL")
NO_REPLAY = Sql(KEY_FIND, "AND key = :key", "AND key = :key AND false")
NO_UNIQUE_KEY = Schema(("ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey",))
NO_NEXT_RUN_CHECK = Schema(("ALTER TABLE schedules DROP CONSTRAINT schedules_next_run_check",))
STEADY = tuple((float(second), second + 0.01) for second in range(6))


@dataclass(frozen=True)
class Guard:
    """A guard, how it is taken away, the scene that misses it, and what is wrong there."""

    name: str
    mutation: Mutation
    scene: Scene
    wrong: str


def of_claims(name: str, old: str, new: str, wrong: str, statement: str = "SELECT", **given: object) -> list[Guard]:
    """A guard that stands in both claims."""
    return [
        Guard(f"{name} in {way}", Sql(where, old, new), a_claim_is_refused(claim, wrong, statement, **given), wrong)
        for way, where, claim in (("claim by id", BY_IDS, by_hint), ("poll", BY_ORDER, by_poll))
    ]


def watching(name: str, old: str, new: str, wrong: str, *readings: tuple[float, float] | None) -> Guard:
    return Guard(name, Code(WATCH, old, new, used_in=("shared.queue.liveness",)), a_watch(wrong, *readings), wrong)


OWNERSHIP = [
    Guard(
        "lease in settle",
        Sql(SETTLE, "AND t.lease = u.lease", ""),
        ownership.a_late_worker_settles,
        "a late settle ended another's run",
    ),
    Guard(
        "lease in settle, looked at again once the row is free",
        Sql(SETTLE, "AND t.lease = u.lease", "AND u.lease = (SELECT lease FROM tasks WHERE id = u.id)"),
        ownership.a_settle_meets_the_next_owner,
        "a late settle ended another's run",
    ),
    Guard(
        "lease in release",
        Sql(RELEASE, "AND t.lease = u.lease", ""),
        lost_words.an_audit_comes_late,
        "an audit took another's run",
    ),
    *(
        Guard(f"{name} in {way}", Sql(where, old, new), scene, wrong)
        for way, where, claim in (("claim by id", BY_IDS, by_hint), ("poll", BY_ORDER, by_poll))
        for name, old, new, scene, wrong in (
            (
                "status",
                "t.status IN ('PENDING', 'RETRYING')",
                "true",
                ownership.a_running_task_is_hinted_again(claim),
                "a running task was claimed again",
            ),
            ("row lock", LOCKED, "", ownership.two_claims_meet(claim), "two workers own one task"),
            (
                "SKIP LOCKED",
                LOCKED,
                "FOR NO KEY UPDATE",
                ownership.two_claims_meet(claim),
                "a claim waited for a lock",
            ),
        )
    ),
    *of_claims(
        "live worker",
        "AND w.state <> 'dead'",
        "",
        "a dead worker owns a run",
        "UPDATE workers SET state = 'dead'",
    ),
    *of_claims(
        "pause",
        "AND q.paused",
        "AND false",
        "a paused queue gave a task out",
        "INSERT INTO queues (tenant_id, name, paused) VALUES (1, 'demo_tasks', true)",
    ),
    *of_claims("due time", "t.run_at <= now()", "true", "a task ran before its time", delay=3_600.0),
    *of_claims(
        "expiry",
        "(t.expires_at IS NULL OR t.expires_at > now())",
        "true",
        "an expired task ran",
        "UPDATE tasks SET expires_at = now()",
    ),
]
MOVES = [
    Guard(
        "sticky cancel in settle",
        Sql(SETTLE, "t.cancel_requested THEN", "false THEN"),
        moves.a_cancelled_run_would_be_retried,
        "a 202 runs again",
    ),
    Guard(
        "sticky cancel in rescue",
        Sql(RESCUE, "WHEN t.cancel_requested", "WHEN false"),
        moves.a_cancelled_run_is_lost,
        "a 202 runs again",
    ),
    Guard(
        "status in retry",
        Sql("shared.db.statements.moves:RETRY", "AND t.status IN ('FAILED', 'CANCELLED')", ""),
        moves.a_waiting_task_is_retried,
        "a generation began by itself",
    ),
    Guard(
        "attempt given back in settle",
        Sql(SETTLE, "ELSE t.attempt - 1", "ELSE t.attempt"),
        moves.a_run_is_given_back,
        "a released run cost an attempt",
    ),
    Guard(
        "attempt given back in rescue",
        Sql(RESCUE, "attempt = t.attempt - 1", "attempt = t.attempt"),
        moves.a_run_is_lost,
        "a lost run cost an attempt",
    ),
    Guard(
        "bound on losses",
        Sql(RESCUE, ">= :most_losses", ">= :most_losses + 1"),
        moves.a_task_is_lost_for_ever,
        "a task outlives every loss",
    ),
    Guard(
        "table of moves",
        Schema(("DROP TRIGGER tasks_moves ON tasks",)),
        somebody_writes("UPDATE tasks SET status = 'PENDING', finished_at = NULL"),
        "the database took it",
    ),
    Guard(
        "CHECK on the lease",
        Schema(("ALTER TABLE tasks DROP CONSTRAINT tasks_lease_check",)),
        somebody_writes("UPDATE tasks SET lease = gen_random_uuid()"),
        "the database took it",
    ),
    Guard(
        "CHECK on finished_at",
        Schema(("ALTER TABLE tasks DROP CONSTRAINT tasks_finished_at_check",)),
        somebody_writes("UPDATE tasks SET finished_at = NULL"),
        "the database took it",
    ),
]
LIVENESS = [
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
LOST_WORDS = [
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
SCHEDULES = [
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
OPERATIONS = [
    *(
        Guard(
            f"tenant of the pause in {way}",
            Sql(where, tenant, ""),
            operations.another_tenant_pauses(claim),
            "another tenant's pause held a task",
        )
        for way, where, tenant, claim in (
            ("claim by id", BY_IDS, "q.tenant_id = t.tenant_id AND ", by_hint),
            ("poll", BY_ORDER, "q.tenant_id = line.tenant_id AND ", by_poll),
        )
    ),
    Guard(
        "wait for claims in pause",
        Code(
            "shared.queue.queues:pause",
            "range(CLAIM_LOOKS)",
            "range(0)",
            used_in=("tests.support.scenes.operations",),
        ),
        operations.a_pause_meets_a_claim,
        "a claim was under way when the pause was answered",
    ),
    Guard("SKIP LOCKED in purge", Sql(PURGE, LOCKED, ""), operations.a_purge_meets_a_lock, "a purge waited for a lock"),
    Guard(
        "tenant in purge",
        Sql(PURGE, "t.tenant_id = :tenant_id", ":tenant_id > 0"),
        operations.a_purge_of_another_tenant,
        "a purge took another tenant's task",
    ),
    Guard(
        "drain in the heartbeat",
        Sql("shared.db.heartbeat:BEAT", "CASE state WHEN 'draining' THEN state ELSE $2 END", "$2"),
        operations.a_drained_worker_beats,
        "a drain was forgotten",
    ),
]
WEBHOOKS = [
    Guard(
        "trigger of webhooks",
        Schema(("DROP TRIGGER tasks_call_back ON tasks",)),
        webhooks.an_end_is_told,
        "nobody will be told of an end",
    ),
    Guard(
        "lease in the record of a webhook",
        Sql(f"{CARRY}:RECORD", "AND d.lease = :lease", "AND COALESCE(d.lease, :lease) IS NOT NULL"),
        webhooks.a_late_courier_records,
        "a late courier spoke for another",
    ),
    Guard(
        "row lock in the claim of webhooks",
        Sql(f"{CARRY}:CLAIM", LOCKED, ""),
        webhooks.two_couriers_meet,
        "two couriers carry one delivery",
    ),
    Guard(
        "SKIP LOCKED in the claim of webhooks",
        Sql(f"{CARRY}:CLAIM", LOCKED, "FOR NO KEY UPDATE"),
        webhooks.two_couriers_meet,
        "a courier waited for a lock",
    ),
    Guard(
        "limit of a host",
        Sql(f"{CARRY}:CLAIM", "held.lease IS NOT NULL AND", "false AND"),
        webhooks.a_crowd_for_one_host,
        "a host is called by more than its limit",
    ),
    Guard(
        "due time of a webhook",
        Sql(f"{CARRY}:STAGE", "AND d.due_at <= now()", ""),
        webhooks.a_delivery_waits_for_its_time,
        "a delivery was tried before its time",
    ),
    Guard(
        "lease in replay",
        Sql(f"{CARRY}:REPLAY", "AND (d.lease IS NULL OR d.due_at <= now())", ""),
        webhooks.a_replay_comes_in_the_middle,
        "a delivery was begun a second time",
    ),
    Guard(
        "tenant in the list of webhooks",
        Sql(f"{CARRY}:PAGE", "d.tenant_id = :tenant_id AND", "CAST(:tenant_id AS integer) > 0 AND"),
        webhooks.another_tenant_lists,
        "a tenant saw another's webhooks",
    ),
    Guard(
        "end by 410",
        Sql(f"{CARRY}:RECORD", "WHERE :state = 'gone' AND", "WHERE :state = 'none' AND"),
        webhooks.a_receiver_wants_no_more,
        "a receiver that wants no more is told more",
    ),
]
BULK_VERBS = [
    Guard(
        "row lock of an operation",
        Sql(f"{BULK}:STEP", "AND o.state = 'running' FOR NO KEY UPDATE SKIP LOCKED", "AND o.state = 'running'"),
        bulk.two_processes_take_a_step,
        "two processes took the same step",
    ),
    Guard(
        "state of an operation",
        Sql(f"{BULK}:STEP", "AND o.state = 'running'", ""),
        bulk.a_cancelled_operation_is_taken_up,
        "a cancelled operation went on",
    ),
    Guard(
        "cursor of an operation",
        Sql(f"{BULK}:STEP", "COALESCE(r.cursor, op.cursor) AS cursor", "op.cursor"),
        bulk.a_retried_task_fails_again,
        "an operation came twice to one task",
    ),
    Guard(
        "tenant of an operation",
        Both(
            Sql(f"{BULK}:BY_FILTER", "t.tenant_id = :tenant_id", ":tenant_id > 0"),
            Sql(f"{BULK}:STEP", "t.tenant_id = :tenant_id", ":tenant_id > 0"),
        ),
        bulk.another_tenants_operation,
        "an operation took another tenant's task",
    ),
    Guard(
        "beginning of an operation",
        Sql(f"{BULK}:FITS", "t.created_at <= COALESCE(CAST(:made_at AS timestamptz), now())", "true"),
        bulk.a_task_comes_later,
        "an operation took a task that came after it",
    ),
    Guard(
        "end of a task that is deleted",
        Sql(f"{BULK}:DELETE", "AND t.finished_at IS NOT NULL", ""),
        bulk.a_waiting_task_is_to_be_deleted,
        "a task that waits was deleted",
    ),
    Guard(
        "status in a retry of many",
        Sql(f"{BULK}:RETRY", "w.status IN ('FAILED', 'CANCELLED') AND (w.unique_key", "(w.unique_key"),
        bulk.a_waiting_task_is_to_be_retried,
        "a generation began by itself",
    ),
    Guard(
        "unique key in a retry of many",
        Sql(f"{BULK}:RETRY", "AND o.id > w.id", ""),
        bulk.two_failed_with_one_key,
        "tasks with one key hold each other up",
    ),
    Guard(
        "filter of an operation, looked at again once the row is free",
        Sql(f"{BULK}:STEP", "AND t.tenant_id = :tenant_id AND {fits}", "AND t.tenant_id = :tenant_id"),
        bulk.a_filter_fits_no_more,
        "a task was moved that did not fit",
    ),
]
ANY_CONFLICT = Sql(
    "shared.db.statements.unique:INSERT",
    "ON CONFLICT (tenant_id, type, unique_key) WHERE unique_key IS NOT NULL"
    " AND status IN ('PENDING', 'RETRYING', 'PROCESSING') DO NOTHING",
    "ON CONFLICT DO NOTHING",
    schema=("DROP INDEX tasks_unique",),
)
UNIQUE = [
    Guard("index of unique keys", ANY_CONFLICT, moves.one_key_comes_twice_at_once, "two tasks with one key"),
    Guard("index of unique keys in retry", ANY_CONFLICT, moves.a_retry_meets_a_newer_task, "two tasks with one key"),
]
KEYS = [
    Guard(
        "tenant in rotate",
        Sql(f"{KEYS_STORED}:ROTATE", "k.tenant_id = :tenant_id", ":tenant_id > 0"),
        keys.another_tenant_rotates,
        "a key of another tenant was made",
    ),
    Guard(
        "tenant in revoke",
        Sql(f"{KEYS_STORED}:REVOKE", "k.tenant_id = :tenant_id", ":tenant_id > 0"),
        keys.another_tenant_revokes,
        "another tenant's key was revoked",
    ),
    Guard(
        "successor in rotate",
        Sql(f"{KEYS_STORED}:ROTATE", "AND k.replaced_by IS NULL", ""),
        keys.two_rotations_meet,
        "one key has several successors",
    ),
    Guard(
        "revocation at the door",
        Sql(f"{KEYS_STORED}:FIND", "k.revoked_at IS NULL AND", ""),
        keys.a_revoked_key_comes,
        "a revoked key was let in",
    ),
    Guard(
        "revocation in rotate",
        Sql(f"{KEYS_STORED}:ROTATE", "k.revoked_at IS NULL AND", ""),
        keys.a_revoked_key_comes,
        "a revoked key came back by its successor",
    ),
    Guard(
        "end at the door",
        Sql(f"{KEYS_STORED}:FIND", "(k.expires_at IS NULL OR k.expires_at > now())", "true"),
        keys.an_ended_key_comes,
        "a key that has ended was let in",
    ),
]
LIMITS = [
    Guard(
        "lock of a limit",
        Sql(f"{COUNT}:LOCK", TRY_LIMIT, "n.name IS NOT NULL"),
        limits.two_limited_claims_meet,
        "a limit was exceeded",
    ),
    Guard(
        "count of what runs",
        Sql(f"{COUNT}:RUNNING", "t.status = 'PROCESSING'", "t.status = 'COMPLETED'"),
        limits.another_claim_comes(limits.ONE, "a limit was exceeded"),
        "a limit was exceeded",
    ),
    Guard(
        "use of a rate",
        Sql(f"{COUNT}:AHEAD", "r.busy_until > now()", "false"),
        limits.another_claim_comes(limits.HOURLY, "a rate was exceeded"),
        "a rate was exceeded",
    ),
    *(
        Guard(
            f"limits in {way}",
            Sql(where, old, "true"),
            limits.a_claim_that_does_not_count(claim),
            "a claim that counts nothing took a task with a limit",
        )
        for way, where, old, claim in (
            ("claim by id", BY_IDS, "t.limits = ''", by_hint),
            ("poll", BY_ORDER, "t.limits = line.limits", by_poll),
        )
    ),
    Guard(
        "share of a tenant",
        Sql(BY_ORDER, "/ line.sharers", "/ 1"),
        limits.a_tenant_has_a_backlog,
        "a tenant waits behind the backlog of another",
    ),
]
WORKFLOWS = [
    Guard(
        "trigger of workflows",
        Schema(("DROP TRIGGER tasks_follow ON tasks",)),
        workflows.a_successor_follows,
        "nothing followed",
    ),
    Guard(
        "retries in the count of predecessors",
        in_function(STEPS, "workflow_advance", "CASE WHEN d.state = 'RELEASED' THEN -1 ELSE 1 END", "1"),
        workflows.a_node_ends_twice,
        "one predecessor counted for two",
    ),
    Guard(
        "nodes that wait in the cancel of a workflow",
        Sql(f"{FLOW}:CANCEL", "AND n.state = 'WAITING'", "AND false"),
        workflows.a_cancel_meets_an_end,
        "a cancelled workflow went on",
    ),
    Guard(
        "tenant in the cancel of a workflow",
        Both(
            Sql(f"{FLOW}:CANCEL", "w.tenant_id = :tenant_id", ":tenant_id > 0"),
            Sql(f"{FLOW}:CANCEL", "n.tenant_id = :tenant_id", "true"),
        ),
        workflows.another_tenant_cancels,
        "another tenant cancelled a workflow",
    ),
    Guard(
        "second half of a cancel",
        Code("shared.queue.workflows:finish_cancels", "in found:", "in found[:0]:"),
        workflows.who_cancels_dies_in_between,
        "half a cancel stayed half",
    ),
    Guard(
        "end in the retry of a workflow",
        Sql(f"{FLOW}:REOPEN", "AND w.finished_at IS NOT NULL", ""),
        workflows.one_that_runs_is_retried,
        "a workflow that had not ended was begun again",
    ),
    Guard(
        "trigger of a workflow's webhook",
        Schema(("DROP TRIGGER workflows_call_back ON workflows",)),
        workflows.its_end_is_told,
        "nobody will be told of a workflow's end",
    ),
    Guard(
        "workflow in retention",
        Sql("shared.db.statements.retention:PRUNE_TASKS", "COALESCE(w.finished_at < :before, false)", "true"),
        workflows.a_cleanup_meets_a_long_workflow,
        "the result of a workflow that goes on was removed",
    ),
]
GUARDS = [
    *BULK_VERBS,
    *UNIQUE,
    *OWNERSHIP,
    *MOVES,
    *LIVENESS,
    *LOST_WORDS,
    *SCHEDULES,
    *OPERATIONS,
    *WEBHOOKS,
    *KEYS,
    *LIMITS,
    *WORKFLOWS,
]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name.replace(" ", "-"))
async def test_without_its_guard_the_scene_ends_badly(
    guard: Guard, stores: Stores, settings: Settings, servers: Servers
) -> None:
    await played(guard, stores)
    await empty(stores)
    with ExitStack() as lent:
        where = settings
        if guard.mutation.schema:
            url = lent.enter_context(servers.lend_database())
            where = settings.model_copy(update={"database_url": SecretStr(url)})
        async with Stores(where, pool_size=5, overflow=0, application="mutated") as mutated:
            await alter(mutated, guard.mutation)
            with without(guard.mutation), pytest.raises(AssertionError, match=guard.wrong):
                await played(guard, mutated)


async def played(guard: Guard, stores: Stores) -> None:
    async with asyncio.timeout(20):
        await guard.scene(stores)
