"""Guards of webhooks: told of each end, by one courier at a time, to nobody who should not hear it."""

from __future__ import annotations

from tests.support.guards.guard import LOCKED, Guard
from tests.support.mutations import Schema, Sql
from tests.support.scenes import webhooks

CARRY = "shared.db.statements.webhooks"

GUARDS = [
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
