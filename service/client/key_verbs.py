"""What can be asked about API keys and the audit log: flows for both clients. They need the scope ``admin``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from service.client.calls import Call, Feed, Flow, Reply, exchange
from service.client.key_models import AuditEntry, Key
from service.client.models import Page
from service.client.paging import listed

KEYS = "/api/v1/keys"


def create_key(name: str, scopes: Sequence[str], *, expires_at: datetime | str | None = None) -> Flow[Key]:
    """Make a key of the caller's tenant. Its ``key`` is shown this once, so the call is not repeated by itself."""
    ends = expires_at.isoformat() if isinstance(expires_at, datetime) else expires_at
    body = {"name": name, "scopes": list(scopes), **({"expires_at": ends} if ends else {})}
    return exchange(Call("POST", KEYS, _key, json=body))


def keys() -> Flow[list[Key]]:
    """The keys that were not revoked, newest first."""
    return exchange(Call("GET", KEYS, lambda reply: Page[Key].model_validate_json(reply.body).data))


def rotate_key(key_id: str, *, overlap: float | None = None) -> Flow[Key]:
    """Its successor; the key itself works for ``overlap`` seconds more, a day if None. Raises: ConflictError."""
    body: dict[str, Any] = {} if overlap is None else {"overlap": overlap}
    return exchange(Call("POST", f"{_path(key_id)}/rotate", _key, json=body))


def revoke_key(key_id: str) -> Flow[None]:
    """End it for good. Raises: NotFound."""
    return exchange(Call("DELETE", _path(key_id), _nothing))


def audit() -> Feed[AuditEntry]:
    """What operators did, newest first, page by page for as long as the caller reads on."""
    return listed("/api/v1/audit", AuditEntry)


def _key(reply: Reply) -> Key:
    return Key.model_validate_json(reply.body)


def _nothing(reply: Reply) -> None:
    """The status says it all."""


def _path(key_id: str) -> str:
    return f"{KEYS}/{quote(key_id, safe='')}"
