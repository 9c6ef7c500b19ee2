"""Stored files: bytes on disk first, then the record; a record never points at nothing."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.statements import files as statements
from shared.domain.errors import NotFound
from shared.domain.run import StoredFile
from shared.queue.stores import Stores
from shared.storage import Written

LEFTOVERS_AFTER = timedelta(days=1)


class FileRecords:
    """The records of files over one process's stores: what workers and routes look files up in."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def find(self, tenant_id: int, file_id: UUID) -> StoredFile | None:
        async with self._stores.db.autocommit() as session:
            row = await statements.find(session, tenant_id, file_id)
        return None if row is None else self._stored(tenant_id, row)

    async def get(self, tenant_id: int, file_id: UUID) -> StoredFile:
        """Raises: NotFound."""
        found = await self.find(tenant_id, file_id)
        if found is None:
            raise NotFound
        return found

    async def add(self, tenant_id: int, file_id: UUID, name: str, written: Written, media_type: str) -> StoredFile:
        """Record a file whose bytes are stored already."""
        async with self._stores.db.autocommit() as session:
            return await self.add_in(session, tenant_id, file_id, name, written, media_type)

    async def add_in(
        self, session: AsyncSession, tenant_id: int, file_id: UUID, name: str, written: Written, media_type: str
    ) -> StoredFile:
        """The same, in the caller's transaction."""
        row = await statements.insert(
            session,
            tenant_id,
            file_id,
            name=name,
            size=written.size,
            sha256=written.sha256,
            media_type=media_type,
        )
        return self._stored(tenant_id, row)

    async def delete(self, tenant_id: int, file_id: UUID) -> None:
        """Remove the record, then the bytes. Raises: NotFound."""
        async with self._stores.db.autocommit() as session:
            if not await statements.delete(session, tenant_id, file_id):
                raise NotFound
        await self._stores.storage.delete(tenant_id, file_id)

    def _stored(self, tenant_id: int, row: RowMapping) -> StoredFile:
        return StoredFile(**row, path=self._stores.storage.path(tenant_id, row["id"]))


async def sweep_files(stores: Stores) -> int:
    """Remove what killed uploads and runs left on the disk a day ago; returns how many."""
    return await stores.storage.sweep(LEFTOVERS_AFTER)
