"""What a file is called and what it is: both are claims of an uploader, so both are checked here."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import PurePosixPath

from shared.storage.disk import HEAD_BYTES

OCTETS = "application/octet-stream"
NAME_LENGTH = 255
EXTENSION_LENGTH = 20

# (offset, bytes, media type); the first match wins.
MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftyp", "video/mp4"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (257, b"ustar", "application/x-tar"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"ARROW1\x00\x00", "application/vnd.apache.arrow.file"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (8, b"WAVE", "audio/wav"),
)

# Text has no magic: the name says which kind, once the bytes have shown that it is text.
TEXT: dict[str, str] = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".txt": "text/plain",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}

# Right-to-left overrides make "exe.gpj" read "jpg.exe".
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def sniff_media_type(name: str, head: bytes) -> str:
    """The type by the first bytes, else by the name if those are UTF-8 text, else octets."""
    for offset, magic, media_type in MAGIC:
        if head.startswith(magic, offset) and (offset != 8 or head.startswith(b"RIFF")):
            # "BM" and "ID3" may as well begin a line of text.
            if len(magic) <= 3 and _is_text(head):
                continue
            return media_type
    if _is_text(head):
        return TEXT.get(PurePosixPath(name).suffix.lower(), OCTETS)
    return OCTETS


def safe_name(name: str) -> str:
    """``name`` fit to be shown and sent in a header: its base name, printable, at most 255 characters."""
    base = name.replace("\\", "/").rpartition("/")[2]
    clean = "".join(c for c in base if not _is_hidden(c)).strip()
    if clean.strip(". ") == "":
        return "file"
    if len(clean) <= NAME_LENGTH:
        return clean
    extension = PurePosixPath(clean).suffix
    if len(extension) > EXTENSION_LENGTH:
        extension = ""
    return clean[: NAME_LENGTH - len(extension)].rstrip() + extension


def _is_hidden(character: str) -> bool:
    """Control characters, lone surrogates, line separators and what turns the reading direction."""
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character in BIDI_CONTROLS


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        # A full head may end inside a character; a short one is the whole file.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return False
    return True
