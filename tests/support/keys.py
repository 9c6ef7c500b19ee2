"""API keys for tests: made as the command line makes them, tenants and all; given as headers."""

from __future__ import annotations

from dataclasses import dataclass

from shared.queue.issuing import create_key, tenant_of
from shared.queue.stores import Stores

Headers = dict[str, str]


@dataclass(frozen=True)
class Made:
    """A key: its tenant, its public id, and how it is sent."""

    tenant_id: int
    id: str
    token: str

    @property
    def headers(self) -> Headers:
        return bearer(self.token)


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


async def key(stores: Stores, *scopes: str, tenant: str = "default") -> Made:
    """A fresh key with these scopes; its tenant is made if need be."""
    async with stores.db.transaction() as session:
        tenant_id = await tenant_of(session, tenant, may_be_new=True)
        made = await create_key(session, stores.settings, tenant_id, name="of a test", scopes=scopes)
    return Made(tenant_id, made.info.id, made.token)
