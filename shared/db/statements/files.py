"""The records of stored files; their bytes are ``shared/storage``'s."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

INSERT = text("""
    INSERT INTO files (id, tenant_id, name, size, sha256, media_type)
    VALUES (:id, :tenant_id, :name, :size, :sha256, :media_type)
    RETURNING id, name, size, sha256, media_type, created_at
""")
FIND = text("""
    SELECT id, name, size, sha256, media_type, created_at FROM files WHERE id = :id AND tenant_id = :tenant_id
""")
DELETE = text("DELETE FROM files WHERE id = :id AND tenant_id = :tenant_id RETURNING id")


async def insert(
    session: AsyncSession, tenant_id: int, file_id: UUID, *, name: str, size: int, sha256: str, media_type: str
) -> RowMapping:
    parameters = {
        "id": file_id,
        "tenant_id": tenant_id,
        "name": name,
        "size": size,
        "sha256": sha256,
        "media_type": media_type,
    }
    return (await session.execute(INSERT, parameters)).mappings().one()


async def find(session: AsyncSession, tenant_id: int, file_id: UUID) -> RowMapping | None:
    return (await session.execute(FIND, {"id": file_id, "tenant_id": tenant_id})).mappings().first()


async def delete(session: AsyncSession, tenant_id: int, file_id: UUID) -> bool:
    return (await session.execute(DELETE, {"id": file_id, "tenant_id": tenant_id})).first() is not None
