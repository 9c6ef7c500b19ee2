"""Signatures that the specification's own library accepts, the schedule, and what an event holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from shared.domain.states import Status
from shared.domain.task import TEXT_GENERATION, Task
from shared.domain.verdict import TaskError
from shared.domain.views import task_view
from shared.domain.webhooks import (
    LARGEST_FIELD,
    SCHEDULE,
    Attempted,
    DeliveryState,
    decide,
    derive,
    event,
    serialized,
    signed,
)

ID = UUID("019aa6a0-8b3c-7e5d-9f60-7b8c9d0e1f20")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD, NEW = derive("key", 1, b"old"), derive("key", 1, b"new")


def task(**given: Any) -> Task:
    fields: dict[str, Any] = {
        **dict.fromkeys(("error", "progress", "worker_id", "expires_at", "request_id", "traceparent")),
        **dict.fromkeys(("created_at", "updated_at", "run_at", "started_at", "finished_at"), AT),
        "id": ID, "tenant_id": 1, "type": "shout", "queue": "q", "priority": 5, "status": Status.COMPLETED,
        "version": 3, "attempt": 1, "max_attempts": 4, "generation": 1, "cancel_requested": False,
        "input": {"text": "hi"}, "result": {"text": "HI"}, "tags": [], "metadata": {}, "timeout": 60.0,
    }  # fmt: skip
    return Task(**{**fields, **given})


@given(body=st.text(alphabet=st.characters(codec="utf-8")).map(lambda text: orjson.dumps({"text": text})))
def test_the_library_of_the_specification_verifies_what_we_sign(body: bytes) -> None:
    headers = dict(signed(ID, datetime.now(UTC), body, [OLD]))
    assert Webhook(serialized(OLD)).verify(body, headers) == orjson.loads(body)


def test_while_secrets_overlap_each_of_them_verifies() -> None:
    headers = dict(signed(ID, datetime.now(UTC), b"{}", [NEW, OLD]))
    for secret in (NEW, OLD):
        assert Webhook(serialized(secret)).verify(b"{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(serialized(derive("key", 2, b"new"))).verify(b"{}", headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [("webhook-id", "01890000-0000-7000-8000-000000000001"), ("webhook-timestamp", "+1"), ("body", "[]")],
)
def test_a_changed_id_time_or_body_does_not_verify(name: str, value: str) -> None:
    now = datetime.now(UTC)
    headers = dict(signed(ID, now, b"{}", [OLD]))
    if name == "webhook-timestamp":
        value = str(int(now.timestamp()) + int(value))
    with pytest.raises(WebhookVerificationError):
        Webhook(serialized(OLD)).verify(value if name == "body" else "{}", {**headers, name: value})


def test_a_secret_is_of_the_key_the_tenant_and_the_salt() -> None:
    secrets = {derive(key, tenant, salt) for key in ("a", "b") for tenant in (1, 2) for salt in (b"x", b"y")}
    assert len(secrets) == 8
    assert {len(secret) for secret in secrets} == {32}


def outcome(status: int | None, step: int = 0, **given: Any) -> tuple[DeliveryState, timedelta]:
    return decide(Attempted(status, None, 0.1, **given), step, scale=1.0, jitter=0.0)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_every_2xx_is_a_delivery(status: int) -> None:
    assert outcome(status)[0] is DeliveryState.DELIVERED


@pytest.mark.parametrize("status", [None, 199, 301, 302, 304, 400, 404, 429, 500, 503])
def test_anything_else_is_tried_again(status: int | None) -> None:
    assert outcome(status) == (DeliveryState.WAITING, timedelta(seconds=5))


def test_410_ends_it() -> None:
    assert outcome(410)[0] is DeliveryState.GONE


def test_the_schedule_is_the_one_of_the_specification() -> None:
    waits, step = [], 0
    while (verdict := outcome(500, step))[0] is DeliveryState.WAITING:
        waits.append(verdict[1])
        step += 1
    assert (waits, verdict[0]) == (list(SCHEDULE[1:]), DeliveryState.FAILED)
    assert len(SCHEDULE) == 10
    assert sum(SCHEDULE, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)


def test_a_wait_is_scaled_and_spread_and_no_shorter_than_asked_for() -> None:
    done = Attempted(503, None, 0.1, timedelta(seconds=60))
    assert decide(done, 0, scale=0.01, jitter=1.0) == (DeliveryState.WAITING, timedelta(seconds=60))
    assert decide(replace(done, retry_after=None), 1, scale=0.01, jitter=1.0)[1] == timedelta(seconds=3.3)


def test_an_event_shows_the_task_as_get_does() -> None:
    sent = orjson.loads(event("task.completed", task()))
    assert (sent["type"], sent["timestamp"]) == ("task.completed", "2026-03-01T12:00:00Z")
    assert sent["data"].pop("omitted") == []
    assert sent["data"].keys() == task_view(task()).keys()
    assert sent["data"]["result"] == {"text": "HI"}


def test_an_event_shows_no_traceback() -> None:
    failed = task(status=Status.FAILED, result=None, error=TaskError("E", "no", retryable=False, traceback="secret"))
    assert b"secret" not in event("task.failed", failed)


def test_what_is_too_large_is_left_out_and_named() -> None:
    large = "x" * LARGEST_FIELD
    given = {"type": TEXT_GENERATION, "input": {"prompt": large}, "result": {"text": large}, "metadata": {"a": 1}}
    data = orjson.loads(event("task.completed", task(**given)))["data"]
    assert data["omitted"] == ["input", "prompt", "result"]
    assert (data["input"], data["prompt"], data["result"], data["metadata"]) == (None, None, None, {"a": 1})
