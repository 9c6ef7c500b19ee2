"""A run's files: real bytes on disk, with the rows in memory."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from shared.domain.errors import FileMissing, OutboundRefused
from shared.domain.ids import new_id
from shared.domain.run import StoredFile
from shared.storage import Storage, Written
from tests.support.ai_server import AIServer, answered
from worker.providers.files import TenantFiles


class Records:
    """Rows that know no paths; ``error`` is what adding one raises."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, UUID], StoredFile] = {}
        self.error: BaseException | None = None

    async def find(self, tenant_id: int, file_id: UUID) -> StoredFile | None:
        return self.rows.get((tenant_id, file_id))

    async def add(self, tenant_id: int, file_id: UUID, name: str, written: Written, media_type: str) -> StoredFile:
        if self.error is not None:
            raise self.error
        row = StoredFile(file_id, name, written.size, written.sha256, media_type, datetime.now(UTC), Path("unknown"))
        self.rows[tenant_id, file_id] = row
        return row


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def files(tmp_path: Path, records: Records) -> TenantFiles:
    return TenantFiles(Storage(tmp_path / "files"), records, 1, ("127.0.0.1",), tmp_path / "scratch")


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_saved_bytes_can_be_got_back(files: TenantFiles) -> None:
    saved = await files.save("../report.csv", b"a,b\n1,2\n")
    assert (saved.name, saved.size, saved.media_type) == ("report.csv", 8, "text/csv")
    assert saved.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    assert saved.path.read_bytes() == b"a,b\n1,2\n"
    assert await files.get(saved.id) == saved


async def test_a_saved_path_is_copied(files: TenantFiles, tmp_path: Path) -> None:
    source = tmp_path / "made.bin"
    source.write_bytes(b"x" * 600_000)
    saved = await files.save("made.bin", source, "application/x-mine")
    source.unlink()
    assert (saved.size, saved.media_type) == (600_000, "application/x-mine")
    assert saved.path.stat().st_size == 600_000


async def test_unknown_foreign_and_vanished_files_are_missing_alike(
    files: TenantFiles, records: Records, tmp_path: Path
) -> None:
    saved = await files.save("a.txt", b"x")
    other = TenantFiles(Storage(tmp_path / "files"), records, 2, (), tmp_path / "scratch")
    for owner, file_id in ((files, new_id()), (other, saved.id)):
        with pytest.raises(FileMissing, match=str(file_id)):
            await owner.get(file_id)
    saved.path.unlink()
    with pytest.raises(FileMissing):
        await files.get(saved.id)


@pytest.mark.parametrize("error", [RuntimeError("no row"), asyncio.CancelledError()])
async def test_a_file_without_a_row_is_removed(
    files: TenantFiles, records: Records, tmp_path: Path, error: BaseException
) -> None:
    records.error = error
    with pytest.raises(type(error)):
        await files.save("a.txt", b"x")
    assert left_in(tmp_path) == []


async def test_fetched_files_live_until_close(files: TenantFiles, tmp_path: Path) -> None:
    async with AIServer(answered(200, b"picture")) as server:
        first, second = await asyncio.gather(*(files.fetch(server.base_url, max_bytes=10) for _ in range(2)))
    assert first != second
    assert first.read_bytes() == second.read_bytes() == b"picture"
    await files.close()
    await files.close()
    assert names_in(tmp_path / "scratch") == []


async def test_a_fetch_passes_the_guard(files: TenantFiles, tmp_path: Path) -> None:
    with pytest.raises(OutboundRefused):
        await files.fetch("http://localhost/", max_bytes=10)
    await files.close()
    assert left_in(tmp_path) == []


async def test_closing_without_a_fetch_touches_nothing(files: TenantFiles, tmp_path: Path) -> None:
    await files.close()
    assert names_in(tmp_path) == []
