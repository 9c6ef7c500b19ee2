"""Small files and inputs, one for each task type: what ``demo`` submits and ``doctor`` tries."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

WIDTH, HEIGHT = 96, 64
SALES = "city,product,sales\nOslo,tea,120\nRome,tea,80\nOslo,coffee,60\nRome,coffee,140\nLima,tea,95\n"


def png() -> bytes:
    """A colour gradient as a PNG image."""
    rows = b"".join(
        b"\0" + b"".join(bytes((255 * x // WIDTH, 255 * y // HEIGHT, 160)) for x in range(WIDTH)) for y in range(HEIGHT)
    )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def archive() -> bytes:
    """A zip file with two entries."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("sales.csv", SALES)
        packed.writestr("readme.txt", "A sample archive.\n" * 20)
    return held.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "sample.png": png,
    "sales.csv": SALES.encode,
    "sample.zip": archive,
}


def inputs(files: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Task type → an input for it; ``files`` maps the names in FILES to the ids they were uploaded as."""
    totals = [
        {"op": "group_by", "by": ["city"], "aggregate": {"sales": "sum"}},
        {"op": "sort", "by": "city"},
    ]
    mail = {"to": "demo@localhost", "subject": "A greeting from the task runner", "body": "A task sent this mail."}
    return {
        "text_generation": {"prompt": "Explain what a task queue is, in one sentence.", "max_tokens": 64},
        "image_analysis": {"file_id": files["sample.png"]},
        "data_processing": {"file_id": files["sales.csv"], "operations": totals},
        "simple_calculation": {"a": 6, "b": 7, "operation": "multiply"},
        "send_notification_email": mail,
        "process_file_upload": {"file_id": files["sample.zip"]},
        "generate_report": {},
        "unreliable_task": {"duration": 3},
    }


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
