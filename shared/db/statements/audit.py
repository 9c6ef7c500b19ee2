"""The audit log: rows are added, read, and removed by age; none is ever changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import dumps
from shared.domain.ids import first_id_at

INSERT = text("""
    INSERT INTO audit_log (id, tenant_id, key_id, action, target, details, request_id)
    VALUES (:id, :tenant_id, :key_id, :action, :target, CAST(:details AS jsonb), :request_id)
""")
PAGE = text("""
    SELECT a.id, a.at, a.key_id, a.action, a.target, a.details, a.request_id FROM audit_log a
    WHERE a.tenant_id = :tenant_id AND a.id < :before ORDER BY a.id DESC LIMIT :limit
""")
PRUNE = text("""
    WITH pick AS MATERIALIZED (
        SELECT a.id FROM audit_log a WHERE a.id < :until ORDER BY a.id LIMIT :most FOR UPDATE SKIP LOCKED
    )
    DELETE FROM audit_log a WHERE a.id = ANY(ARRAY(SELECT id FROM pick)) RETURNING a.id
""")
LAST = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something an operator did. ``key_id`` None: no key was needed; ``request_id`` None: it came from no request."""

    id: UUID
    at: datetime
    key_id: str | None
    action: str
    target: str
    details: dict[str, Any]
    request_id: str | None


async def insert(
    session: AsyncSession,
    entry_id: UUID,
    tenant_id: int,
    *,
    key_id: str | None,
    action: str,
    target: str,
    details: dict[str, Any],
    request_id: str | None,
) -> None:
    facts = {"key_id": key_id, "action": action, "target": target, "request_id": request_id}
    await session.execute(INSERT, {"id": entry_id, "tenant_id": tenant_id, "details": dumps(details), **facts})


async def page(session: AsyncSession, tenant_id: int, *, limit: int, before: UUID | None) -> list[AuditEntry]:
    """Newest first, ids below ``before``."""
    rows = await session.execute(PAGE, {"tenant_id": tenant_id, "before": before or LAST, "limit": limit})
    return [AuditEntry(**row) for row in rows.mappings()]


async def prune(session: AsyncSession, *, before: datetime, most: int) -> int:
    """Forget up to ``most`` of what was done before ``before``; how many."""
    return len((await session.execute(PRUNE, {"until": first_id_at(before), "most": most})).all())
