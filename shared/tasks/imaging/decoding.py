"""Opening images nobody vouches for: known formats only, a cap on pixels before any is decoded, whole files only."""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from shared.domain.errors import Fatal
from shared.tasks.imaging.exif import ExifValue, exif_of

MOST_PIXELS = 50_000_000
SAMPLE_SIDE = 256
"""Colours and hash are computed on a copy no larger than this: they change little, the work a lot."""

# Pillow's own decoders of the formats people upload. Left out on purpose: EPS (starts Ghostscript),
# containers that hold other images, and formats nobody sends.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "PPM")

# What Pillow's decoders raise on damaged files besides OSError, by its own fuzzing history.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, struct.error, zlib.error)


class ImageRefused(Fatal):
    """The file is no image this task can read."""

    code = "image_refused"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The facts of an image's first frame, as stored (before any EXIF rotation), and a small RGBA copy."""

    format: str
    media_type: str
    width: int
    height: int
    mode: str
    exif: dict[str, ExifValue]
    sample: Image.Image


def decode(path: Path) -> Decoded:
    """Read the first frame completely.

    Raises: ImageRefused: no image, an unknown format, more than ``MOST_PIXELS``, damaged or cut short.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images and of odd metadata; the cap below is ours, and lower.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                return _decoded(image)
    except UnidentifiedImageError as error:
        raise ImageRefused(f"The file is not an image in a known format ({', '.join(FORMATS)}).") from error
    except Image.DecompressionBombError as error:
        raise ImageRefused(f"The image has more than {MOST_PIXELS} pixels.") from error
    except DAMAGE as error:
        raise ImageRefused(f"The image is damaged or cut short: {error}") from error


def _decoded(image: Image.Image) -> Decoded:
    width, height, mode, kind = image.width, image.height, image.mode, image.format or "unknown"
    if width * height > MOST_PIXELS:
        raise ImageRefused(f"The image has {width} × {height} pixels; {MOST_PIXELS} are allowed.")
    if not width * height:
        raise ImageRefused("The image has no pixels.")
    # For a JPEG this decodes at a fraction of the size, yet reads the file to its end.
    sample = _eight_bit(image)
    sample.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE))
    return Decoded(
        format=kind,
        media_type=Image.MIME.get(kind, "application/octet-stream"),
        width=width,
        height=height,
        mode=mode,
        exif=exif_of(image),
        sample=sample.convert("RGBA"),
    )


def _eight_bit(image: Image.Image) -> Image.Image:
    """``image``, or its brightness scaled to 0…255 where Pillow would cut it off there."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode == "F":
        low, high = (float(str(bound)) for bound in image.getextrema())
        scale = 255 / (high - low) if high > low else 0.0
        return image.point(lambda value: value * scale - low * scale).convert("L")
    return image
