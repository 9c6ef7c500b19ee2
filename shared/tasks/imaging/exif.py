"""EXIF as plain JSON: named tags, numbers and short strings. Owns the bounds; opaque blobs are left out."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

from PIL import ExifTags, Image

from shared.domain.errors import describe
from shared.tasks.numbers import INT64_MAX

MOST_TAGS = 100
LONGEST_TEXT = 500
LONGEST_LIST = 16

ExifScalar = str | int | float
ExifValue = ExifScalar | list[ExifScalar]

POINTERS = frozenset({ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop})
BLOBS = frozenset(
    {"MakerNote", "UserComment", "PrintImageMatching", "XMLPacket", "ImageResources", "InterColorProfile"}
)


def exif_of(image: Image.Image) -> dict[str, ExifValue]:
    """The readable tags of the image, camera and GPS directories; empty where they are damaged."""
    found: dict[str, ExifValue] = {}
    try:
        for name, raw in _tags(image.getexif()):
            value = _plain(raw)
            if value is not None and name not in BLOBS:
                found.setdefault(name, value)
            if len(found) >= MOST_TAGS:
                break
    except (OSError, SyntaxError, ValueError, KeyError, IndexError, TypeError, OverflowError, struct.error):
        # Metadata is decoration: an image with a damaged block is still an image. What was read stays.
        return found
    return found


def _tags(exif: Image.Exif) -> Iterator[tuple[str, Any]]:
    # Sorted: Pillow iterates a set, and which tags the bound cuts off must not be chance.
    camera, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    for directory in (dict(exif.items()), camera):
        for tag in sorted(directory.keys() - POINTERS):
            yield ExifTags.TAGS.get(tag, f"0x{tag:04x}"), directory[tag]
    for tag in sorted(place):
        yield ExifTags.GPSTAGS.get(tag, f"GPS 0x{tag:04x}"), place[tag]


def _plain(raw: Any) -> ExifValue | None:
    if isinstance(raw, tuple | list):
        items = [value for part in raw[:LONGEST_LIST] if (value := _scalar(part)) is not None]
        return items or None
    return _scalar(raw)


def _scalar(raw: Any) -> ExifScalar | None:
    """A string or finite number; None for what JSON has no word for."""
    if isinstance(raw, bytes):
        try:
            raw = raw.rstrip(b"\x00").decode("ascii")
        except UnicodeDecodeError:
            return None
    if isinstance(raw, str):
        # Cameras pad with NULs; a NUL inside ends the text, as it does in C.
        text = raw.split("\x00", 1)[0].strip()
        return describe(text, LONGEST_TEXT) if text.isprintable() and text else None
    if isinstance(raw, int):
        return raw if abs(raw) <= INT64_MAX else None
    try:
        number = float(raw)  # IFDRational, whose zero denominator is NaN
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return round(number, 9) if math.isfinite(number) else None
