"""The small print of HTTP: ``Prefer: wait``, ETags, ``Retry-After``."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from shared.domain.states import Status
from shared.domain.task import Task

MAX_WAIT_SECONDS = 60
WAIT = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*', re.IGNORECASE)
SOON, LATEST = 1, 3_600


def preferred_wait(values: Iterable[str]) -> int | None:
    """Seconds of ``Prefer: wait=N`` (RFC 7240), clamped; None where absent or unreadable."""
    for value in values:
        for preference in value.split(","):
            if match := WAIT.fullmatch(preference.partition(";")[0]):
                return min(int(match.group(1)), MAX_WAIT_SECONDS)
    return None


def etag_of(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """Weak comparison, as RFC 9110 wants it for ``If-None-Match``."""
    if if_none_match is None:
        return False
    candidates = (part.strip().removeprefix("W/") for part in if_none_match.split(","))
    return any(candidate in {"*", etag} for candidate in candidates)


def retry_after(task: Task, now: datetime | None = None) -> str:
    """Seconds until asking again can pay: until it is due, or soon."""
    if task.status not in {Status.SCHEDULED, Status.RETRYING}:
        return str(SOON)
    wait = (task.run_at - (now or datetime.now(UTC))).total_seconds()
    return str(min(max(math.ceil(wait), SOON), LATEST))
