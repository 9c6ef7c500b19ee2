"""What a zip, tar or tar.gz holds, told by its first bytes and read from its own index. Nothing is unpacked to disk."""

from __future__ import annotations

import gzip
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, Literal, Self, cast

from shared.tasks.archives.limits import (
    MOST_ENTRIES,
    ArchiveBroken,
    ArchiveRefused,
    CappedReader,
    Entry,
    ForwardReader,
    allowed_bytes,
    check,
    entry,
)

Kind = Literal["zip", "tar", "tar.gz"]

MAGIC_AT, MAGIC = 257, b"ustar"
TAR_BLOCK = 512
ENCRYPTED = 0x1
DECLARED = {"application/zip": "zip", "application/x-tar": "tar"}

# What the readers of the standard library raise on damaged input, found by feeding them damage.
ZIP_DAMAGE = (zipfile.BadZipFile, NotImplementedError, struct.error, EOFError, OSError, ValueError, OverflowError)
TAR_DAMAGE = (tarfile.TarError, zlib.error, struct.error, EOFError, OSError, ValueError, OverflowError)


def kind_of(path: Path, media_type: str) -> Kind | None:
    """Which archive this is; None for any other file.

    Raises: ArchiveBroken: ``media_type`` says archive, the bytes don't.
    """
    with path.open("rb") as file:
        head = file.read(TAR_BLOCK)
    kind: Kind | None = None
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        kind = "zip"
    elif _is_tar(head):
        kind = "tar"
    elif head.startswith(b"\x1f\x8b") and _is_tar(_first_gzip_block(path)):
        kind = "tar.gz"
    if kind is None and media_type in DECLARED:
        raise ArchiveBroken(f"The file is declared as {media_type}, but it is no {DECLARED[media_type]} archive.")
    return kind


def entries_of(path: Path, kind: Kind) -> list[Entry]:
    """The entries in the archive's order.

    Raises: ArchiveBroken; ArchiveRefused: encrypted, or past the limits.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if kind == "zip":
            found = _zip_entries(file)
        elif kind == "tar":
            found = _tar_entries(ForwardReader(file))
        else:
            with gzip.GzipFile(fileobj=file) as unpacked:
                found = _tar_entries(ForwardReader(cast("BinaryIO", unpacked), allowed_bytes(size)))
    check(found, size)
    return found


def _is_tar(block: bytes) -> bool:
    return block[MAGIC_AT : MAGIC_AT + len(MAGIC)] == MAGIC


def _first_gzip_block(path: Path) -> bytes:
    with gzip.open(path) as unpacked:
        try:
            return unpacked.read(TAR_BLOCK)
        except TAR_DAMAGE:
            return b""


def _zip_entries(file: BinaryIO) -> list[Entry]:
    try:
        with zipfile.ZipFile(cast("BinaryIO", CappedReader(file))) as archive:
            infos = archive.infolist()
    except (ArchiveBroken, ArchiveRefused):
        raise
    except ZIP_DAMAGE as error:
        raise ArchiveBroken(f"The zip archive cannot be read: {error}") from error
    if any(info.flag_bits & ENCRYPTED for info in infos):
        raise ArchiveRefused("The zip archive is encrypted.")
    return [entry(info.filename, info.file_size, info.compress_size) for info in infos]


class _StrictInfo(tarfile.TarInfo):
    """A tar header; tarfile takes a damaged one after the first for the archive's end, here it is damage."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not buf.strip(b"\x00"):  # zeros, or nothing: the end as it should be
                raise
            raise ArchiveBroken(f"The tar archive has a broken header: {error}") from error


def _tar_entries(reader: ForwardReader) -> list[Entry]:
    found: list[Entry] = []
    try:
        with tarfile.open(fileobj=cast("BinaryIO", reader), mode="r:", tarinfo=_StrictInfo) as archive:
            for member in archive:
                if member.size < 0:
                    raise ArchiveBroken("The tar archive declares a negative size.")
                found.append(entry(member.name, member.size))
                if len(found) > MOST_ENTRIES:
                    break
    except (ArchiveBroken, ArchiveRefused):
        raise
    except TAR_DAMAGE as error:
        raise ArchiveBroken(f"The tar archive cannot be read: {error}") from error
    return found
