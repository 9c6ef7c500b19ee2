"""The Retry-After header (RFC 9110, 10.2.3): seconds, or a date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=1)


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The wait asked for, between zero and a day; None if there is none or it makes no sense."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        # A number too long for a timedelta is a day, like any other above it.
        return LONGEST if len(text) > 6 else min(timedelta(seconds=int(text)), LONGEST)
    try:
        until = parsedate_to_datetime(text)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return min(max(until - now, timedelta(0)), LONGEST)
    except (ValueError, OverflowError):
        return None
