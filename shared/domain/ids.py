"""Ids: UUIDv7 (RFC 9562), so that they sort by creation and an index on them grows at one end."""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A fresh UUIDv7, increasing within this process."""
    return uuid_utils.compat.uuid7()
