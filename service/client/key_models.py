"""Keys, as the service tells of them."""

from __future__ import annotations

from datetime import datetime

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
