"""What an operator does is kept with who, when, to what and in which request: in the transaction that does it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.domain.errors import StoreUnavailable
from shared.queue.audit import Actor, prune_audit
from shared.queue.queues import pause
from shared.queue.stores import Stores
from tests.integration.api.conftest import assert_problem
from tests.integration.api.operations import GUARDED, Operation, asked
from tests.support.failpoints import Died, Failpoints, Harm, harmed
from tests.support.keys import Made
from tests.support.verbs import TENANT

AUDIT = "/api/v1/audit"
OLD = """
    INSERT INTO audit_log (id, tenant_id, action, target, details)
    VALUES ('01800000-0000-7000-8000-000000000000', 1, 'queue.pause', 'old', '{}')
"""
EVERYDAY = {
    "POST /api/v1/tasks",
    "POST /api/v1/tasks/batch",
    "POST /api/v1/tasks/{task_id}/cancel",
    "POST /api/v1/tasks/{task_id}/retry",
    "POST /api/v1/files",
    "DELETE /api/v1/files/{file_id}",
    "POST /api/v1/schedules/{schedule_id}/run",
    "POST /api/v1/workflows",
    "POST /api/v1/workflows/{workflow_id}/cancel",
    "POST /api/v1/workflows/{workflow_id}/retry",
}
"""What users do all day: the tasks themselves are the record of it."""


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are made while the API serves."""
    monkeypatch.setattr("service.auth.TTL_SECONDS", 0.0)


async def log_of(api: httpx.AsyncClient, who: Made) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get(f"{AUDIT}?limit=200", headers=who.headers)).json()["data"]
    return found


def in_order(operation: Operation) -> tuple[bool, str]:
    """Removals last: the others need what they remove."""
    return operation.method == "DELETE", str(operation)


async def test_whatever_an_operator_does_is_kept(api: httpx.AsyncClient, admin: Made, theirs: dict[str, str]) -> None:
    """A new route that changes something is an operator's, or is named above."""
    wrong = {}
    doing = sorted((o for o in GUARDED if o.method != "GET" and str(o) not in EVERYDAY), key=in_order)
    for number, operation in enumerate(doing):
        before = await log_of(api, admin)
        request_id = f"operation-{number}"
        answer = await asked(api, operation, theirs, {**admin.headers, "X-Request-ID": request_id})
        entries = (await log_of(api, admin))[: -len(before) or None]
        kept = [(entry["key"], entry["request"]) for entry in entries]
        if not answer.is_success or kept != [(admin.id, request_id)]:
            wrong[str(operation)] = (answer.status_code, answer.text, entries)
    assert wrong == {}


async def test_what_was_refused_is_not_kept(api: httpx.AsyncClient, admin: Made) -> None:
    body = {"name": "x", "every": 5, "type": "simple_calculation", "input": {"a": 1, "b": 2, "operation": "add"}}
    assert (await api.post("/api/v1/schedules", json=body, headers=admin.headers)).status_code == 201
    assert_problem(await api.post("/api/v1/schedules", json=body, headers=admin.headers), 409, "conflict")
    assert_problem(await api.delete("/api/v1/keys/nobody", headers=admin.headers), 404, "not_found")
    dry = await api.delete("/api/v1/queues/demo_tasks/tasks?dry_run=true", headers=admin.headers)
    assert dry.status_code == 200
    assert [entry["action"] for entry in await log_of(api, admin)] == ["schedule.create"]


async def test_an_entry_tells_the_facts_and_no_secret(api: httpx.AsyncClient, stores: Stores, admin: Made) -> None:
    wanted = {"name": "web", "scopes": ["read"]}
    headers = {**admin.headers, "Idempotency-Key": "k"}
    made = (await api.post("/api/v1/keys", json=wanted, headers=headers)).json()
    await api.post("/api/v1/keys", json=wanted, headers=headers)
    rotated = (await api.post(f"/api/v1/keys/{made['id']}/rotate", json={"overlap": 60}, headers=headers)).json()
    assert rotated["code"] == "idempotency_key_reused"
    rotated = (await api.post(f"/api/v1/keys/{made['id']}/rotate", json={"overlap": 60}, headers=admin.headers)).json()
    signing = (await api.post("/api/v1/webhooks/secret/rotate", headers=admin.headers)).json()
    entries = [(entry["action"], entry["target"], entry["details"]) for entry in await log_of(api, admin)]
    assert entries == [
        ("webhook_secret.rotate", "current", {}),
        ("key.rotate", made["id"], {"successor": rotated["id"], "overlap": 60.0}),
        ("key.create", made["id"], {**wanted, "expires_at": None}),
    ]
    async with stores.db.autocommit() as session:
        rows = " ".join((await session.execute(text("SELECT CAST(a.* AS text) FROM audit_log a"))).scalars())
    for token in (made["key"], rotated["key"], signing["secret"], admin.token):
        assert token.rpartition(".")[2] not in rows


async def test_the_log_is_paged_newest_first(api: httpx.AsyncClient, admin: Made) -> None:
    for name in ("urgent", "ai_processing", "demo_tasks"):
        assert (await api.post(f"/api/v1/queues/{name}/pause", headers=admin.headers)).status_code == 200
    first = await api.get(f"{AUDIT}?limit=2", headers=admin.headers)
    assert [entry["target"] for entry in first.json()["data"]] == ["demo_tasks", "ai_processing"]
    assert 'rel="next"' in first.headers["link"]
    rest = await api.get(AUDIT, params={"cursor": first.json()["next_cursor"]}, headers=admin.headers)
    assert [entry["target"] for entry in rest.json()["data"]] == ["urgent"]
    assert rest.json()["next_cursor"] is None
    assert_problem(await api.get(f"{AUDIT}?cursor=forged", headers=admin.headers), 400, "invalid_cursor")


async def test_old_entries_leave_with_retention(api: httpx.AsyncClient, stores: Stores, admin: Made) -> None:
    await pause(stores, TENANT, "urgent", Actor(TENANT))
    async with stores.db.autocommit() as session:
        await session.execute(text(OLD))
    await prune_audit(stores)
    [entry] = await log_of(api, admin)
    assert (entry["target"], entry["key"], entry["request"]) == ("urgent", None, None)


@pytest.mark.parametrize("harm", [Harm.DIES_BEFORE, Harm.DIES_AFTER, Harm.AWAY, Harm.REPLY_LOST])
async def test_an_act_and_its_entry_stand_or_fall_together(stores: Stores, harm: Harm) -> None:
    counting = Failpoints()
    await pause(harmed(stores, counting), TENANT, "queue", Actor(TENANT))
    for at in range(len(counting.passed)):
        name = f"queue-{at}"
        with suppress(Died, StoreUnavailable):
            await pause(harmed(stores, Failpoints(harm, at)), TENANT, name, Actor(TENANT))
        async with stores.db.autocommit() as session:
            paused = await session.execute(text("SELECT count(*) FROM queues WHERE name = :name"), {"name": name})
            kept = await session.execute(text("SELECT count(*) FROM audit_log WHERE target = :name"), {"name": name})
        assert paused.scalar_one() == kept.scalar_one(), counting.passed[at]
