"""Ids: UUIDv7 (RFC 9562), so that they sort by creation and an index on them grows at one end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> UUID:
    """A fresh UUIDv7, increasing within this process."""
    return uuid_utils.compat.uuid7()


def first_id_at(moment: datetime) -> UUID:
    """The id below every UUIDv7 made at ``moment`` (by its millisecond) or later, and above every earlier one."""
    return UUID(int=(moment - EPOCH) // timedelta(milliseconds=1) << 80)
