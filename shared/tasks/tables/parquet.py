"""How large a Parquet file says it is: bytes unpacked, and values over all its columns.

polars shows neither and unpacks whatever it is given, so the footer is read here. It is Thrift's
compact protocol; sources: the Parquet format's ``parquet.thrift`` and Thrift's
``thrift-compact-protocol.md``. Nothing else of the footer is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.domain.errors import Fatal

MAGIC = b"PAR1"
LARGEST_FOOTER = 4_194_304
DEEPEST = 32

# Thrift compact types.
STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(14)

# Field numbers from FileMetaData down.
UNPACKED_BYTES = (4, 2)  # row_groups, total_byte_size
VALUES = (4, 1, 3, 5)  # row_groups, columns, meta_data, num_values


class ParquetBroken(Fatal):
    """The Parquet file cannot be read."""

    code = "parquet_broken"


@dataclass(frozen=True, slots=True)
class Declared:
    """What the footer declares. A list counts as its items, so ``values`` may exceed rows × columns."""

    unpacked_bytes: int
    values: int


def declared(path: Path) -> Declared:
    """Raises: ParquetBroken."""
    footer = _footer(path)
    try:
        return Declared(*(_Thrift(footer).total(STRUCT, fields) for fields in (UNPACKED_BYTES, VALUES)))
    except (IndexError, ValueError) as error:
        raise ParquetBroken("The Parquet file has a broken footer.") from error


def _footer(path: Path) -> bytes:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size < 12 or file.read(4) != MAGIC:
            raise ParquetBroken("The file is not a Parquet file.")
        file.seek(size - 8)
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC or length > size - 12:
            raise ParquetBroken("The Parquet file is cut short.")
        if length > LARGEST_FOOTER:
            raise ParquetBroken(f"The Parquet file has a footer of {length} bytes; {LARGEST_FOOTER} are allowed.")
        file.seek(size - 8 - length)
        return file.read(length)


class _Thrift:
    """A cursor over compact-protocol bytes. Raises IndexError past the end, ValueError on nonsense."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def total(self, kind: int, fields: tuple[int, ...], depth: int = 0) -> int:
        """Read one value of type ``kind``: the sum of the I64s found by following ``fields`` into it."""
        if depth > DEEPEST:
            raise ValueError("nested too deeply")
        if kind == STRUCT and fields:
            found = 0
            for number, inner in self.fields():
                if number == fields[0]:
                    found += self.total(inner, fields[1:], depth + 1)
                else:
                    self.skip(inner)
            return found
        if kind == LIST:
            size, inner = self.list_header()
            return sum(self.total(inner, fields, depth + 1) for _ in range(size))
        if kind == I64 and not fields:
            return max(self.zigzag(), 0)
        self.skip(kind)
        return 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """``(number, type)`` of each field of a struct; the caller reads or skips its value."""
        number = 0
        while (header := self._byte()) != STOP:
            number = number + (header >> 4) if header >> 4 else self.zigzag()
            yield number, header & 0x0F

    def list_header(self) -> tuple[int, int]:
        header = self._byte()
        size, kind = header >> 4, header & 0x0F
        # A boolean is a byte inside a list, and no byte as a field.
        return (self._varint() if size == 15 else size), BYTE if kind in {TRUE, FALSE} else kind

    def zigzag(self) -> int:
        raw = self._varint()
        return (raw >> 1) ^ -(raw & 1)

    def skip(self, kind: int, depth: int = 0) -> None:
        if depth > DEEPEST:
            raise ValueError("nested too deeply")
        if kind in {TRUE, FALSE}:
            return
        if kind in {I16, I32, I64}:
            self._varint()
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind in {LIST, SET}:
            size, inner = self.list_header()
            for _ in range(size):
                self.skip(inner, depth + 1)
        else:
            self._skip_bytes(kind)

    def _skip_bytes(self, kind: int) -> None:
        # Parquet has no maps; whatever else is met is no footer.
        sizes = {BYTE: 1, DOUBLE: 8, UUID: 16}
        size = self._varint() if kind == BINARY else sizes.get(kind, len(self._data) + 1)
        self._at += size
        if self._at > len(self._data):
            raise ValueError("past the end")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("number too long")
