"""Sample files made at test time: images, tables and archives, hostile ones too."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from PIL import Image


def image(
    kind: str = "PNG",
    size: tuple[int, int] = (64, 48),
    colour: str | int | tuple[int, ...] = "#1e90ff",
    *,
    mode: str = "RGB",
    exif: Mapping[int, Any] | None = None,
) -> bytes:
    """A single-coloured image; ``exif`` maps tag numbers to values."""
    picture = Image.new(mode, size, colour)
    options: dict[str, Any] = {}
    if exif:
        block = Image.Exif()
        block.update(exif)
        options["exif"] = block
    return _saved(picture, kind, **options)


def split_image(
    left: str, right: str, kind: str = "PNG", size: tuple[int, int] = (80, 40), share: float = 0.75
) -> bytes:
    """``left`` over ``share`` of the width, ``right`` on the rest."""
    picture = Image.new("RGB", size, right)
    picture.paste(left, (0, 0, int(size[0] * share), size[1]))
    return _saved(picture, kind)


def gradient(kind: str = "PNG", size: tuple[int, int] = (90, 80), *, turn: int = 90, **options: Any) -> bytes:
    """Grey, its brightness running from side to side; ``turn=-90`` is its mirror image."""
    return _saved(Image.linear_gradient("L").rotate(turn).resize(size), kind, **options)


def animated_gif(colours: Sequence[str]) -> bytes:
    """One frame per colour."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in colours]
    return _saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that declares ``width`` × ``height`` pixels: a decompression bomb's first lines."""
    return _png((b"IHDR", _png_header(width, height)), (b"IDAT", zlib.compress(b"\x00" * 64)), (b"IEND", b""))


def png_with(name: bytes, data: bytes) -> bytes:
    """A PNG of one pixel with another chunk before it."""
    pixel = (b"IDAT", zlib.compress(b"\x00" * 4))
    return _png((b"IHDR", _png_header(1, 1)), (name, data), pixel, (b"IEND", b""))


def _png_header(width: int, height: int) -> bytes:
    return struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def csv_file(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return pl.DataFrame(list(rows)).write_csv().encode()


def json_file(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return json.dumps(list(rows)).encode()


def ndjson_file(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def parquet_file(frame: pl.DataFrame, **options: Any) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, **options)
    return buffer.getvalue()


def zip_file(entries: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def encrypted_zip() -> bytes:
    """A zip whose one entry carries the encryption flag, in both its headers."""
    data = bytearray(zip_file({"secret.txt": b"hidden"}))
    for signature, flag_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flag_at] |= 0x1
    return bytes(data)


def tar_file(entries: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def tar_gz_file(entries: Mapping[str, bytes]) -> bytes:
    return gzip.compress(tar_file(entries), mtime=0)


def tar_header(name: str, size: int, *, kind: bytes = b"0") -> bytes:
    """One tar header that may declare any size, a negative one too, with a true checksum."""
    block = bytearray(512)
    block[0 : len(name)] = name.encode()
    block[100:108] = b"0000644\x00"
    if size < 0:
        block[124:136] = b"\xff" + size.to_bytes(11, "big", signed=True)
    else:
        block[124:136] = f"{size:011o}\0".encode() if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    block[136:148] = b"00000000000\x00"
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
