"""Claim: become the owner of waiting tasks, by hints or by PostgreSQL's own order."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from shared.db.statements import claim as statements
from shared.db.statements.claim import Claimant
from shared.domain.happenings import started
from shared.domain.task import ClaimedTask
from shared.queue.stores import Stores

__all__ = ["Claimant", "claim_hinted", "claim_next"]


async def claim_hinted(
    stores: Stores, who: Claimant, ids: Sequence[UUID | str], *, lease: UUID | None = None
) -> list[ClaimedTask]:
    """Own those of ``ids`` that can be owned, in the order given. As text they are lower case, as ``str`` writes them.

    A caller that makes ``lease`` itself can tell, when the reply is lost, what the claim took.
    Raises: StoreUnavailable.
    """
    hinted = [str(task_id) for task_id in ids]
    async with stores.db.lane("claim") as lane:
        claimed = await statements.claim_by_ids(lane, who, lease or uuid4(), hinted)
    stores.feed.tell(map(started, claimed))
    order = {task_id: index for index, task_id in enumerate(hinted)}
    return sorted(claimed, key=lambda task: order[str(task.id)])


async def claim_next(
    stores: Stores, who: Claimant, most: int, *, lease: UUID | None = None, after: int = 0
) -> list[ClaimedTask]:
    """Own up to ``most`` due tasks without any hint; tenants take turns, beginning behind ``after``.

    Raises: StoreUnavailable.
    """
    async with stores.db.lane("claim") as lane:
        claimed = await statements.claim_by_order(lane, who, lease or uuid4(), most, after=after)
    stores.feed.tell(map(started, claimed))
    return claimed
