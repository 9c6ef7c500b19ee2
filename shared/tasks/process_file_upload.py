"""``process_file_upload``: what an uploaded file is and whether it is whole. Reads it once; changes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from uuid import UUID

from pydantic import ConfigDict, Field

from shared.tasks import BlockingRun, Fatal, StoredFile, TaskModel, task
from shared.tasks.archives.listing import entries_of, kind_of

CHUNK_BYTES = 1_048_576
TEXT_TYPES = frozenset(
    {"application/json", "application/x-ndjson", "application/jsonl", "application/xml", "application/yaml"}
)


class FileInput(TaskModel):
    """An uploaded file."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"file_id": "0198c0de-0000-7000-8000-000000000001"}]})

    file_id: UUID = Field(description="The id POST /files answered with.")


class ArchiveEntry(TaskModel):
    """One entry of an archive, as the archive declares it."""

    name: str = Field(description="Its path in the archive.")
    size: int = Field(description="Bytes unpacked.")
    compressed_size: int | None = Field(default=None, description="Bytes packed; null in tar archives.")


class FileOutput(TaskModel):
    """The facts of a file."""

    name: str = Field(description="As it was uploaded.")
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="Computed anew from the stored bytes, as hexadecimal digits.")
    media_type: str = Field(description="By the first bytes.")
    lines: int | None = Field(default=None, description="Lines of a text file; null for any other.")
    entries: list[ArchiveEntry] | None = Field(
        default=None, description="What a zip, tar or tar.gz holds; null for any other."
    )


@task(type="process_file_upload", queue="demo_tasks", timeout=300, max_attempts=4)
def process_file_upload(run: BlockingRun, given: FileInput) -> FileOutput:
    """Check an uploaded file's SHA-256, count the lines of a text, list the entries of a zip, tar or tar.gz.

    Raises: FileMissing; Fatal: the bytes are not those uploaded, or the archive is broken, encrypted or a bomb.
    """
    stored = run.files.get(given.file_id)
    size, digest, lines = _read_through(run, stored)
    if digest != stored.sha256 or size != stored.size:
        raise Fatal(f"The stored file is damaged: its SHA-256 is {digest}, it was uploaded with {stored.sha256}.")
    kind = kind_of(stored.path, stored.media_type)
    entries = None
    if kind is not None:
        run.progress(90, f"listing {kind}")
        entries = [ArchiveEntry(**asdict(entry)) for entry in entries_of(stored.path, kind)]
    is_text = kind is None and (stored.media_type.startswith("text/") or stored.media_type in TEXT_TYPES)
    return FileOutput(
        name=stored.name,
        size=size,
        sha256=digest,
        media_type=stored.media_type,
        lines=lines if is_text else None,
        entries=entries,
    )


def _read_through(run: BlockingRun, stored: StoredFile) -> tuple[int, str, int]:
    """Bytes, SHA-256 and lines, in one pass; a last line without its newline counts."""
    digest = hashlib.sha256()
    size, lines, last = 0, 0, b"\n"
    with stored.path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
            last = chunk[-1:]
            run.progress(min(90.0, 90 * size / max(stored.size, 1)), f"{size} of {stored.size} bytes")
    return size, digest.hexdigest(), lines + (last != b"\n")
