"""Guards of API keys: whose they are, and when they end."""

from __future__ import annotations

from tests.support.guards.guard import Guard
from tests.support.mutations import Sql
from tests.support.scenes import keys

STORED = "shared.db.statements.keys"

GUARDS = [
    Guard(
        "tenant in rotate",
        Sql(f"{STORED}:ROTATE", "k.tenant_id = :tenant_id", ":tenant_id > 0"),
        keys.another_tenant_rotates,
        "a key of another tenant was made",
    ),
    Guard(
        "tenant in revoke",
        Sql(f"{STORED}:REVOKE", "k.tenant_id = :tenant_id", ":tenant_id > 0"),
        keys.another_tenant_revokes,
        "another tenant's key was revoked",
    ),
    Guard(
        "successor in rotate",
        Sql(f"{STORED}:ROTATE", "AND k.replaced_by IS NULL", ""),
        keys.two_rotations_meet,
        "one key has several successors",
    ),
    Guard(
        "revocation at the door",
        Sql(f"{STORED}:FIND", "k.revoked_at IS NULL AND", ""),
        keys.a_revoked_key_comes,
        "a revoked key was let in",
    ),
    Guard(
        "revocation in rotate",
        Sql(f"{STORED}:ROTATE", "k.revoked_at IS NULL AND", ""),
        keys.a_revoked_key_comes,
        "a revoked key came back by its successor",
    ),
    Guard(
        "end at the door",
        Sql(f"{STORED}:FIND", "(k.expires_at IS NULL OR k.expires_at > now())", "true"),
        keys.an_ended_key_comes,
        "a key that has ended was let in",
    ),
]
