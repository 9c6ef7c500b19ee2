"""How much of an archive is believed and read. An archive is refused, never unpacked and never cut short."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from shared.domain.errors import Fatal, describe

MOST_ENTRIES = 10_000
MOST_DECLARED_BYTES = 1_073_741_824
HIGHEST_RATIO = 200
RATIO_FREE_BYTES = 1_048_576
"""Below this an archive may shrink as well as it likes: a kilobyte of zeros is no bomb."""

LONGEST_NAME = 1_024
LARGEST_INDEX_BYTES = 8_388_608
"""One read of an archive's own index: room for 10,000 entries with names of hundreds of bytes."""


class ArchiveBroken(Fatal):
    """The archive cannot be read."""

    code = "archive_broken"


class ArchiveRefused(Fatal):
    """The archive is encrypted, or larger inside than is allowed."""

    code = "archive_refused"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, as the archive declares it. Sizes are bytes; tar has no size compressed."""

    name: str
    size: int
    compressed_size: int | None = None


def entry(name: str, size: int, compressed_size: int | None = None) -> Entry:
    """An entry whose name is fit for JSON: a hostile archive may hold NULs and half surrogates there."""
    return Entry(describe(name, LONGEST_NAME), size, compressed_size)


def check(entries: list[Entry], archive_bytes: int) -> None:
    """Raises: ArchiveRefused: too many entries, or too large for what they are packed in."""
    if len(entries) > MOST_ENTRIES:
        raise ArchiveRefused(f"The archive has more than {MOST_ENTRIES} entries.")
    declared = sum(e.size for e in entries)
    if declared > MOST_DECLARED_BYTES:
        raise ArchiveRefused(f"The archive holds {declared} bytes unpacked; {MOST_DECLARED_BYTES} are allowed.")
    if declared > allowed_bytes(archive_bytes):
        raise ArchiveRefused(f"The archive unpacks to more than {HIGHEST_RATIO} times its size.")


def allowed_bytes(archive_bytes: int) -> int:
    """What an archive of this size may hold, unpacked."""
    return min(MOST_DECLARED_BYTES, max(RATIO_FREE_BYTES, HIGHEST_RATIO * archive_bytes))


class CappedReader(io.RawIOBase):
    """Reads ``source``, but never more than ``LARGEST_INDEX_BYTES`` at once.

    zipfile and tarfile read in one go what an archive declares its index or a header to be; this
    is where a lie about that ends, whatever way they found the number.
    """

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()

    def read(self, size: int | None = -1) -> bytes:
        most = LARGEST_INDEX_BYTES + 1
        data = self._source.read(most if size is None or size < 0 else min(size, most))
        if len(data) == most:
            raise ArchiveRefused("The index of the archive is too large.")
        return data


class ForwardReader(CappedReader):
    """A ``CappedReader`` that only goes forward, and no further than ``total`` bytes.

    A tar whose sizes point backwards would be read in circles, and a gzip is unpacked to seek in it.
    """

    def __init__(self, source: BinaryIO, total: int | None = None) -> None:
        super().__init__(source)
        self._total = total

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self.tell():
            raise ArchiveBroken("The archive points backwards.")
        self._refuse_beyond(offset)
        return super().seek(offset)

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._refuse_beyond(self.tell())
        return data

    def _refuse_beyond(self, position: int) -> None:
        if self._total is not None and position > self._total:
            raise ArchiveRefused(f"The archive unpacks to more than {HIGHEST_RATIO} times its size, or past 1 GiB.")
