"""Storage on a real disk: whole files or none."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.domain.ids import new_id
from shared.storage import FileTooLarge, Storage
from shared.storage.partial import Partial


async def chunks_of(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def files_in(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


async def test_what_was_written_can_be_read_and_is_described(tmp_path: Path) -> None:
    storage, file_id = Storage(tmp_path), new_id()
    parts = [os.urandom(size) for size in (10, 0, 300_000, 70_000, 1)]
    written = await storage.write(7, file_id, chunks_of(*parts))
    content = b"".join(parts)
    assert storage.path(7, file_id).read_bytes() == content
    assert (written.size, written.head) == (len(content), content[:4_096])
    assert written.sha256 == hashlib.sha256(content).hexdigest()
    assert files_in(tmp_path) == [storage.path(7, file_id)]


async def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    storage, file_id = Storage(tmp_path), new_id()
    written = await storage.write(1, file_id, chunks_of())
    assert (written.size, written.head) == (0, b"")
    assert storage.path(1, file_id).read_bytes() == b""


async def test_a_file_of_exactly_the_limit_is_taken(tmp_path: Path) -> None:
    written = await Storage(tmp_path).write(1, new_id(), chunks_of(b"x" * 5, b"y" * 5), limit=10)
    assert written.size == 10


@pytest.mark.parametrize("parts", [(b"x" * 11,), (b"x" * 5, b"y" * 6), (b"x" * 400_000, b"y")])
async def test_a_file_past_the_limit_is_refused_and_leaves_nothing(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    limit = sum(map(len, parts)) - 1
    with pytest.raises(FileTooLarge, match=str(limit)):
        await Storage(tmp_path).write(1, new_id(), chunks_of(*parts), limit=limit)
    assert files_in(tmp_path) == []


async def test_a_source_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 500_000
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await Storage(tmp_path).write(1, new_id(), broken())
    assert files_in(tmp_path) == []


async def test_a_cancelled_write_leaves_nothing(tmp_path: Path) -> None:
    waiting = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield b"x" * 500_000
        waiting.set()
        await asyncio.Event().wait()

    write = asyncio.create_task(Storage(tmp_path).write(1, new_id(), stalls()))
    async with asyncio.timeout(10):
        await waiting.wait()
    assert files_in(tmp_path) != []
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert files_in(tmp_path) == []


async def test_a_write_cancelled_while_its_commit_runs_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on, fsync = threading.Event(), threading.Event(), os.fsync

    def slow_fsync(descriptor: int) -> None:
        started.set()
        go_on.wait(10)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow_fsync)
    write = asyncio.create_task(Storage(tmp_path).write(1, new_id(), chunks_of(b"late")))
    assert await asyncio.to_thread(started.wait, 10)
    write.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert files_in(tmp_path) == []


def test_a_write_that_comes_after_the_discard_does_nothing(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "partial", tmp_path / "target")
    partial.discard()
    partial.write(b"late")
    partial.commit()
    assert files_in(tmp_path) == []


async def test_a_disk_that_refuses_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="root"):
        await Storage(tmp_path / "root").write(1, new_id(), chunks_of(b"x"))


async def test_deleting_twice_is_deleting_once(tmp_path: Path) -> None:
    storage, file_id = Storage(tmp_path), new_id()
    await storage.write(1, file_id, chunks_of(b"x"))
    await storage.delete(1, file_id)
    await storage.delete(1, file_id)
    assert files_in(tmp_path) == []


async def test_tenants_do_not_share_files(tmp_path: Path) -> None:
    storage, file_id = Storage(tmp_path), new_id()
    await storage.write(1, file_id, chunks_of(b"one"))
    await storage.delete(2, file_id)
    assert storage.path(1, file_id).read_bytes() == b"one"
    assert not storage.path(2, file_id).exists()


async def test_a_sweep_removes_only_old_leftovers(tmp_path: Path) -> None:
    storage, file_id = Storage(tmp_path), new_id()
    assert await storage.sweep(timedelta(0)) == 0
    await storage.write(1, file_id, chunks_of(b"kept"))
    leftover = tmp_path / ".partial" / "left-by-a-killed-writer"
    leftover.write_bytes(b"x")
    assert await storage.sweep(timedelta(hours=1)) == 0
    os.utime(leftover, (1, 1))
    assert await storage.sweep(timedelta(hours=1)) == 1
    assert files_in(tmp_path) == [storage.path(1, file_id)]


def test_files_made_at_one_time_are_spread_over_folders(tmp_path: Path) -> None:
    folders = Counter(Storage(tmp_path).path(1, new_id()).parent for _ in range(5_000))
    assert len(folders) == 256
    assert max(folders.values()) < 100
