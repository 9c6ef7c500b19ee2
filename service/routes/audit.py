"""The audit log, to read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.dependencies import Admin
from service.pagination import DEFAULT_LIMIT, Cursor, Limit
from service.schemas.audit import AuditPage
from service.strict_route import StrictRoute
from shared.queue.audit import AuditEntry, audit_page

PATH = "/api/v1/audit"
router = APIRouter(prefix=PATH, tags=["audit"], route_class=StrictRoute)


@router.get("", summary="Read the audit log", response_model=AuditPage, response_description="A page, newest first.")
async def read_audit(request: Request, caller: Admin, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """What was done with keys, queues, workers, schedules and webhooks of the caller's tenant: who, when, to what."""
    cursors = caller.house.audit_cursors
    found = await audit_page(caller.stores, caller.tenant_id, limit=limit + 1, before=cursors.read(cursor))
    return cursors.page(request, PATH, found, limit, _view)


def _view(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at,
        "key": entry.key_id,
        "action": entry.action,
        "target": entry.target,
        "details": entry.details,
        "request": entry.request_id,
    }
