"""Keys and the audit log, as the service tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from service.client.models import Answer


class Key(Answer):
    """An API key. ``key`` is the whole of it, and there only where it was just made; ``id`` is its public part."""

    id: str
    name: str = ""
    scopes: list[str] = Field(default_factory=list)
    created_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_by: str | None = None
    key: str | None = None


class AuditEntry(Answer):
    """One thing an operator did. ``key`` is the key's id, ``request`` the request's."""

    id: str
    at: datetime
    action: str
    target: str
    key: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)
    request: str | None = None
