"""What the audit log looks like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from service.schemas.base import JsonObject, NextCursor, View


class AuditView(View):
    """One thing an operator did."""

    id: UUID = Field(description="The id of the entry.")
    at: datetime = Field(description="When it was done.")
    key: str | None = Field(description="The key's id; null: no key was needed.")
    action: str = Field(description="`noun.verb`, such as `queue.pause`.")
    target: str = Field(description="The id or the name of what it was done to.")
    details: JsonObject = Field(description="What belongs to it, as the action has it.")
    request: str | None = Field(description="The request's `X-Request-ID`; null: it was the command line.")


class AuditPage(View):
    """A page of the audit log."""

    data: list[AuditView] = Field(description="Newest first.")
    next_cursor: NextCursor


AUDIT: dict[str, Any] = {
    "id": "019aa6a0-9c4d-7f6e-8a71-8c9d0e1f2a3b",
    "at": "2026-03-01T12:00:00.000000Z",
    "key": "k3y1d0f2you7",
    "action": "queue.pause",
    "target": "demo_tasks",
    "details": {},
    "request": "019aa6a0-9c4d-7f6e-8a71-8c9d0e1f2a3a",
}
