"""The audit log: what operators did, told in the transaction that does it. Never a secret, an input or a URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.statements import audit as statements
from shared.db.statements.audit import AuditEntry
from shared.db.statements.retention import cutoff
from shared.domain.ids import new_id
from shared.queue.pruning import prune_in_batches
from shared.queue.stores import Stores

__all__ = ["Actor", "AuditEntry", "audit_page", "note", "prune_audit"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: by which key (None: none was needed), in which request (None: on the command line)."""

    tenant_id: int
    key_id: str | None = None
    request_id: str | None = None


async def note(session: AsyncSession, by: Actor | None, action: str, target: object, **details: Any) -> None:
    """Keep that ``by`` did ``action`` (``noun.verb``) to ``target``; stands or falls with the session's transaction.

    ``by`` None: nobody did, the service itself acts.
    """
    if by is None:
        return
    await statements.insert(
        session,
        new_id(),
        by.tenant_id,
        key_id=by.key_id,
        action=action,
        target=str(target),
        details=details,
        request_id=by.request_id,
    )


async def audit_page(stores: Stores, tenant_id: int, *, limit: int, before: UUID | None = None) -> list[AuditEntry]:
    """The tenant's log, newest first. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        return await statements.page(session, tenant_id, limit=limit, before=before)


async def prune_audit(stores: Stores) -> int:
    """Forget what is older than RETENTION_DAYS; how many. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        before = await cutoff(session, days=stores.settings.retention_days)
    return await prune_in_batches(stores, lambda session, most: statements.prune(session, before=before, most=most))
