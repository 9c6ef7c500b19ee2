"""Files of tenants on a local disk, written whole or not at all.

A path is made of numbers and ids of ours alone: no name a user gave ever reaches the file system.
Two processes may share a root. An ``OSError`` (a full disk, say) passes to the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from shared.domain.errors import TaskRunnerError
from shared.storage.partial import Partial

HEAD_BYTES = 4_096
# A hop to a thread costs about 100 µs: small chunks are gathered until one pays.
GATHER_BYTES = 262_144
PARTIALS = ".partial"
SCRATCH = ".scratch"


class FileTooLarge(TaskRunnerError):
    """The file is larger than allowed."""

    code = "file_too_large"


@dataclass(frozen=True, slots=True)
class Written:
    """What was stored: ``size`` bytes, their SHA-256 in hex, and the first 4 KiB."""

    size: int
    sha256: str
    head: bytes = field(repr=False)


class Storage:
    """The files under ``root``, which is made on the first write."""

    def __init__(self, root: Path) -> None:
        # Absolute, so that a path stays good in a child with another working directory.
        self._root = root.absolute()

    def path(self, tenant_id: int, file_id: UUID) -> Path:
        """Where the file is, or would be. Spread by the id's tail: the front of a UUIDv7 is a clock."""
        return self._root / str(tenant_id) / file_id.hex[-2:] / str(file_id)

    async def write(
        self, tenant_id: int, file_id: UUID, chunks: AsyncIterable[bytes], *, limit: int | None = None
    ) -> Written:
        """Store ``chunks`` durably; the file appears whole, after fsync, or never.

        Raises:
            FileTooLarge: more than ``limit`` bytes came. OSError: the disk refused.
        """
        target = self.path(tenant_id, file_id)
        partial = Partial(self._root / PARTIALS, target)
        try:
            size, head = await _pour(chunks, partial, limit)
            sha256 = await asyncio.to_thread(partial.commit)
        except BaseException:
            # Cancelled or failed alike; shielded, as a second cancel must not leave the bytes behind.
            await asyncio.shield(asyncio.to_thread(partial.discard))
            raise
        return Written(size=size, sha256=sha256, head=head)

    async def delete(self, tenant_id: int, file_id: UUID) -> None:
        """Remove the file; one that is not there is no error."""
        await asyncio.to_thread(self.path(tenant_id, file_id).unlink, missing_ok=True)

    @property
    def scratch(self) -> Path:
        """Where runs keep temporary files, one folder each; readable by every process of the machine's service."""
        return self._root / SCRATCH

    async def sweep(self, older_than: timedelta) -> int:
        """Remove what writers and runs killed midway left behind; returns how many."""
        before = time.time() - older_than.total_seconds()
        folders = (self._root / PARTIALS, self.scratch)
        return sum([await asyncio.to_thread(_sweep, folder, before) for folder in folders])


async def _pour(chunks: AsyncIterable[bytes], partial: Partial, limit: int | None) -> tuple[int, bytes]:
    """Write every chunk, holding little more than ``GATHER_BYTES``; returns size and head."""
    gathered, size, head = bytearray(), 0, b""
    async for chunk in chunks:
        size += len(chunk)
        if limit is not None and size > limit:
            raise FileTooLarge(f"the file is larger than {limit} bytes")
        if len(head) < HEAD_BYTES:
            head += chunk[: HEAD_BYTES - len(head)]
        gathered += chunk
        if len(gathered) >= GATHER_BYTES:
            await asyncio.to_thread(partial.write, gathered)
            gathered = bytearray()
    await asyncio.to_thread(partial.write, gathered)
    return size, head


def _sweep(folder: Path, before: float) -> int:
    swept = 0
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            # Another process may sweep, or a writer end, between any two of these calls.
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_mtime < before:
                    shutil.rmtree(entry) if entry.is_dir() else Path(entry).unlink()
                    swept += 1
    return swept
