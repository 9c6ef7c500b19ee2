"""What runs say, on its way through the result database: written by the worker, read for many readers at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

import orjson
from redis.asyncio.client import Pipeline

from shared.broker.connection import Broker, channel_of
from shared.broker.keys import NOTES_TTL_SECONDS, OUTPUT_MAX_ENTRIES, PROGRESS_TTL_SECONDS, SAID_CHANNEL
from shared.domain.task import Progress

OUTPUT, PROGRESS = b"output", b"progress"
ENTRIES_AT_ONCE = 100

EntryId = tuple[int, int]
"""As Redis orders them."""
Fields = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Said:
    """What one run said since its last write: a piece of output, then a note of its progress; either may be absent.

    ``piece`` and ``note`` are their numbers: of all pieces of the run, and of the notes since the last piece.
    """

    task_id: UUID
    output_key: str
    progress_key: str
    piece: int
    note: int
    output: str
    progress: Progress | None


async def write_said(broker: Broker, said: Sequence[Said], ttl: int) -> bool:
    """Append what runs said and tell the readers, in one round trip. False: Redis is away, and nothing is kept."""
    if broker.is_away:
        return False
    pipe = broker.results.pipeline(transaction=False)
    for one in said:
        if one.output:
            _append(pipe, one.output_key, f"{one.piece}-0", OUTPUT, one.output)
        if one.progress is not None:
            shown = orjson.dumps(asdict(one.progress), option=orjson.OPT_UTC_Z)
            _append(pipe, one.output_key, f"{one.piece}-{one.note}", PROGRESS, shown)
            pipe.set(one.progress_key, shown, ex=PROGRESS_TTL_SECONDS)
        pipe.expire(one.output_key, ttl if one.piece else min(ttl, NOTES_TTL_SECONDS))
    pipe.publish(channel_of(broker.results, SAID_CHANNEL), " ".join(str(one.task_id) for one in said))
    return await broker.guarded(pipe.execute()) is not None


def _append(pipe: Pipeline, key: str, entry_id: str, kind: bytes, value: str | bytes) -> None:
    pipe.xadd(key, {kind: value}, entry_id, maxlen=OUTPUT_MAX_ENTRIES, approximate=True)


async def read_entries(broker: Broker, after: Mapping[str, EntryId]) -> dict[str, list[tuple[EntryId, Fields]]] | None:
    """Of each stream the next entries behind an id, as many as fit one answer. None: Redis is away."""
    if broker.is_away:
        return None
    streams = {key: f"{high}-{low}" for key, (high, low) in after.items()}
    found = await broker.guarded(broker.results.xread(streams, count=ENTRIES_AT_ONCE))  # type: ignore[arg-type]
    if found is None:
        return None
    return {key.decode(): [(_entry_id(raw), fields) for raw, fields in entries] for key, entries in found}


def _entry_id(raw: bytes) -> EntryId:
    high, _, low = raw.partition(b"-")
    return int(high), int(low)
