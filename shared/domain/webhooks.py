"""Webhooks after the Standard Webhooks specification 1.0.0: events, signatures, the retry schedule. Pure.

The secret itself is stored nowhere. A tenant's row holds a random salt, and the secret is its hash keyed with
TASKRUNNER_SECRET_KEY: a copy of the database signs nothing, and there is nothing to decrypt.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from uuid import UUID

from shared.domain.task import Task
from shared.domain.views import task_view, to_json, workflow_view
from shared.domain.workflow import Workflow

SCHEDULE = tuple(
    timedelta(seconds=seconds) for seconds in (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""The specification's own: the wait before each attempt. Ten attempts within 76 hours."""
SPREAD = 0.1
"""A wait grows by up to this share of itself, so that what failed together does not come back together."""
OVERLAP = timedelta(hours=24)
"""How long a secret still signs once it was rotated."""
PREFIX = "whsec_"
SALT_BYTES = 32
PERSON = b"webhook secret"
LARGEST_FIELD = 65_536
"""Bytes of JSON that one of ``LARGE_FIELDS`` may take in an event; what is larger is null and named in ``omitted``."""
LARGE_FIELDS = ("input", "prompt", "result", "metadata", "error")


class DeliveryState(StrEnum):
    """Where a delivery stands.

    ``WAITING``: for its first or next attempt, or an attempt is under way. ``DELIVERED``: answered with 2xx.
    ``FAILED``: every attempt of the schedule failed. ``GONE``: the receiver answered 410 to this task.
    """

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Attempted:
    """How one attempt went. ``status`` is None where no answer came; then ``error`` says why."""

    status: int | None
    error: str | None
    duration: float
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event of a task or a workflow on its way; its id is the ``webhook-id``.

    ``due_at`` is None once nothing more is planned.
    """

    id: UUID
    task_id: UUID | None
    workflow_id: UUID | None
    generation: int
    type: str
    url: str
    state: DeliveryState
    attempt: int
    created_at: datetime
    due_at: datetime | None
    finished_at: datetime | None
    attempts: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery this process owns by ``lease``; ``step`` counts the failed attempts of its schedule so far."""

    id: UUID
    tenant_id: int
    endpoint: str
    url: str
    type: str
    step: int
    lease: UUID
    salts: tuple[bytes, ...]
    subject: Task | Workflow


def decide(done: Attempted, step: int, *, scale: float, jitter: float) -> tuple[DeliveryState, timedelta]:
    """Where a delivery stands after an attempt, and the wait before the next; ``jitter`` is 0 to 1."""
    if done.status is not None and 200 <= done.status < 300:
        return DeliveryState.DELIVERED, timedelta(0)
    if done.status == HTTPStatus.GONE:
        return DeliveryState.GONE, timedelta(0)
    if step + 1 >= len(SCHEDULE):
        return DeliveryState.FAILED, timedelta(0)
    wait = SCHEDULE[step + 1] * scale * (1 + SPREAD * jitter)
    return DeliveryState.WAITING, max(wait, done.retry_after or timedelta(0))


def event(delivery_type: str, subject: Task | Workflow) -> bytes:
    """The body: the subject as GET showed it when it ended.

    Of a task without its traceback and what is too large, of a workflow without its nodes.
    """
    if isinstance(subject, Workflow):
        return to_json({"type": delivery_type, "timestamp": subject.finished_at, "data": workflow_view(subject)})
    data = task_view(subject)
    omitted = [name for name in LARGE_FIELDS if len(to_json(data.get(name))) > LARGEST_FIELD]
    data |= dict.fromkeys(omitted) | {"omitted": omitted}
    return to_json({"type": delivery_type, "timestamp": subject.finished_at, "data": data})


def derive(secret_key: str, tenant_id: int, salt: bytes) -> bytes:
    """The signing key of a tenant that belongs to ``salt``."""
    key = hashlib.sha256(secret_key.encode()).digest()
    return hashlib.blake2b(tenant_id.to_bytes(8, "big") + salt, key=key, digest_size=32, person=PERSON).digest()


def serialized(secret: bytes) -> str:
    """A signing key as receivers are given it."""
    return PREFIX + base64.b64encode(secret).decode()


def signed(webhook_id: UUID, at: datetime, body: bytes, secrets: Sequence[bytes]) -> Mapping[str, str]:
    """The headers of an attempt made ``at``: a signature by each of ``secrets``, in their order."""
    timestamp = str(int(at.timestamp()))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(secret, content, "sha256")).decode() for secret in secrets)
    return {
        "webhook-id": str(webhook_id),
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
