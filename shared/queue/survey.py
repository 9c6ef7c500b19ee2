"""The survey before a bulk verb: how many tasks it would find, in looks none of which is long. Nothing is locked."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from shared.db.statements import bulk as statements
from shared.db.statements.stats import SKEW
from shared.domain.ids import EPOCH, first_id_at
from shared.domain.operations import MOVABLE, NOT_FOUND, BulkAction, Counted, Selection
from shared.domain.states import Status
from shared.queue.stores import Stores

LOOKED_AT_ONCE = 5_000
SURVEY_SECONDS = 5.0
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)


async def survey(stores: Stores, tenant_id: int, action: BulkAction, chosen: Selection) -> Counted:
    """What ``action`` would find now. Raises: StoreUnavailable."""
    cursor, until = bounds(chosen)
    found, is_all = await found_after(stores, tenant_id, chosen, cursor, until, seconds=SURVEY_SECONDS)
    absent = found.pop(NOT_FOUND, 0)
    skipped = {status.lower(): number for status, number in found.items() if Status(status) not in MOVABLE[action]}
    if absent:
        skipped[NOT_FOUND] = absent
    return Counted(found.total(), skipped, is_lower_bound=not is_all)


async def found_after(
    stores: Stores, tenant_id: int, chosen: Selection, cursor: UUID, until: UUID, *, seconds: float
) -> tuple[Counter[str], bool]:
    """How many are meant between these ids, by stored status, in so many seconds; and whether those are all."""
    ends_at = time.monotonic() + seconds
    found: Counter[str] = Counter()
    while True:
        async with stores.db.autocommit() as session:
            seen = await statements.look(session, tenant_id, chosen, cursor=cursor, until=until, looked=LOOKED_AT_ONCE)
        found.update(seen.found)
        is_over = seen.last is None or seen.looked_at < LOOKED_AT_ONCE
        if is_over or time.monotonic() > ends_at:
            return found, is_over
        cursor = seen.last or cursor


def bounds(chosen: Selection) -> tuple[UUID, UUID]:
    """Between which ids the tasks meant must lie: UUIDv7 ids follow the time they were made at."""
    if chosen.ids is not None:
        return FIRST, LAST
    wanted, until = chosen.wanted, datetime.now(UTC) + SKEW
    if wanted.created_before is not None:
        until = min(until, wanted.created_before + SKEW)
    since = EPOCH if wanted.created_after is None else max(EPOCH, wanted.created_after - SKEW)
    return first_id_at(since), first_id_at(until)
