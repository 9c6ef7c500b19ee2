"""The files of one tenant, for one run: bytes in storage, rows behind ``FileRecords``."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

from shared.domain.errors import FileMissing
from shared.domain.ids import new_id
from shared.domain.run import StoredFile
from shared.outbound import download
from shared.storage import Storage, Written, safe_name, sniff_media_type

CHUNK_BYTES = 262_144


class FileRecords(Protocol):
    """The rows of files. What it gives needs no true ``path``: that is filled in here."""

    async def find(self, tenant_id: int, file_id: UUID) -> StoredFile | None: ...

    async def add(self, tenant_id: int, file_id: UUID, name: str, written: Written, media_type: str) -> StoredFile: ...


class TenantFiles:
    """``Files`` of ``tenant_id``; downloads live in a folder below ``scratch`` until ``close``."""

    def __init__(
        self, storage: Storage, records: FileRecords, tenant_id: int, outbound_allow: Sequence[str], scratch: Path
    ) -> None:
        self._storage = storage
        self._records = records
        self._tenant_id = tenant_id
        self._outbound_allow = outbound_allow
        self._folder = scratch / f"run-{uuid4().hex}"
        self._has_folder = False

    async def get(self, file_id: UUID) -> StoredFile:
        found = await self._records.find(self._tenant_id, file_id)
        path = self._storage.path(self._tenant_id, file_id)
        # A row without its bytes: a deletion under way, or a disk this worker does not share.
        if found is None or not await asyncio.to_thread(path.is_file):
            raise FileMissing(f"there is no file {file_id}")
        return replace(found, path=path)

    async def save(self, name: str, content: bytes | Path, media_type: str | None = None) -> StoredFile:
        file_id, name = new_id(), safe_name(name)
        written = await self._storage.write(self._tenant_id, file_id, _chunks(content))
        media_type = media_type or sniff_media_type(name, written.head)
        try:
            saved = await self._records.add(self._tenant_id, file_id, name, written, media_type)
        except BaseException:
            # No row, no file: retention would never find these bytes.
            await asyncio.shield(self._storage.delete(self._tenant_id, file_id))
            raise
        return replace(saved, path=self._storage.path(self._tenant_id, file_id))

    async def fetch(self, url: str, *, max_bytes: int) -> Path:
        # First said, then made: a cancel in between must not leave a folder nobody removes.
        self._has_folder = True
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        target = self._folder / uuid4().hex
        await download(url, target, allow=self._outbound_allow, max_bytes=max_bytes)
        return target

    async def close(self) -> None:
        """Remove what ``fetch`` brought. Repeatable."""
        # Most runs fetch nothing, and pay for no thread.
        if self._has_folder:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


async def _chunks(content: bytes | Path) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    file = await asyncio.to_thread(content.open, "rb")
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
