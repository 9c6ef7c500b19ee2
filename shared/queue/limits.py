"""Claims of tasks that have limits: counted under a lock, so that all workers together never exceed one.

Look without a lock first, which mostly finds nothing; then, in one short transaction, lock the limits in question,
count, share out and claim. A limit that another worker has locked is left out: nobody ever waits, and the look is
repeated a moment later. Docs: docs/design/0010-limits.md.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from shared.broker.hints import LIMITED, Hint
from shared.db.statements import limits as statements
from shared.db.statements.claim import Claimant
from shared.domain.happenings import started
from shared.domain.limits import Limits, Line, names_in, share_out
from shared.domain.task import ClaimedTask
from shared.queue.stores import Stores
from shared.registry import Registry
from shared.settings import Settings

LINES_AT_ONCE = 500
"""Lines of one look, at some 20 µs each; the next look goes on behind them."""
AGAIN_SECONDS = 0.02
"""About as long as another worker holds a limit, doubled."""
LATEST_SECONDS = 2.0
RATES_KEPT_SECONDS = 86_400.0


def limits_in_force(registry: Registry, settings: Settings) -> Limits:
    """As the task types and the settings of this process say."""
    by_type = {f"type:{d.type}": d.concurrency for d in registry if d.concurrency is not None}
    by_queue = {f"queue:{name}": count for name, count in settings.queue_concurrency.items()}
    rates = {f"type:{d.type}": d.rate for d in registry if d.rate is not None}
    return Limits({**by_type, **by_queue}, rates, settings.key_concurrency)


class LimitedClaims:
    """One worker's claims of such tasks: when to look, and where the next look begins."""

    def __init__(self, stores: Stores, who: Claimant, limits: Limits) -> None:
        self._stores = stores
        self._who = who
        self._limits = limits
        self._due_at = 0.0
        self._looked_at = 0.0
        self._behind = statements.BEFORE_ALL
        self._last_tenant = 0
        self._lets_others_go_first = False

    def notice(self) -> None:
        """Something may be there: a hint said so."""
        self._due_at = 0.0

    def look_every(self, seconds: float) -> None:
        """Look so often though no hint says anything: it may be lost."""
        self._due_at = min(self._due_at, self._looked_at + seconds)

    @property
    def seconds(self) -> float:
        """How long it does not pay to look."""
        return max(0.0, self._due_at - time.monotonic())

    def has_turn(self) -> bool:
        """Whether to look now. Asked after a claim that got some it lets others go first: neither kind may starve."""
        lets, self._lets_others_go_first = self._lets_others_go_first, False
        return self.seconds <= 0 and not lets

    async def claim(self, most: int, *, lease: UUID | None = None) -> list[ClaimedTask]:
        """Own up to ``most`` due tasks, as many as their limits allow. Raises: StoreUnavailable."""
        self._looked_at = time.monotonic()
        self._due_at = self._looked_at + LATEST_SECONDS
        async with self._stores.db.autocommit() as session:
            lines, self._behind = await statements.lines(
                session, self._who, most=most, most_lines=LINES_AT_ONCE, behind=self._behind
            )
        if self._behind != statements.BEFORE_ALL:
            self.notice()
        if not lines:
            return []
        async with self._stores.db.transaction() as session:
            claimed = await self._claim(session, lines, most, lease or uuid4())
        if claimed:
            self._lets_others_go_first = True
            self._last_tenant = claimed[-1].tenant_id
        if len(claimed) == most:
            # More may wait than there is room for here: others are told.
            self.notice()
            self._stores.hint([Hint(LIMITED, claimed[-1].queue, claimed[-1].priority)])
        self._stores.feed.tell(map(started, claimed))
        return claimed

    async def _claim(self, session: AsyncSession, lines: Sequence[Line], most: int, lease: UUID) -> list[ClaimedTask]:
        wanted = self._limits.known(name for line in lines for name in line.names)
        locked = await statements.lock(session, wanted)
        rated = [name for name in wanted if name in locked and name in self._limits.rates]
        ahead = await statements.ahead(session, rated)
        room = dict.fromkeys(wanted, 0) | self._limits.room(locked, await statements.running(session), ahead)
        counts = share_out(lines, room, most, queues=self._who.queues, after=self._last_tenant)
        claimed = await statements.claim_by_lines(session, self._who, lease, counts) if counts else []
        used = self._used(claimed)
        await statements.use(session, used)
        waits = [self._limits.rates[name].wait(ahead.get(name, 0.0) + used.get(name, 0.0)) for name in rated]
        if len(locked) < len(wanted):
            waits.append(random.uniform(0, AGAIN_SECONDS))  # noqa: S311 # nosec B311 # spreads workers, keeps no secret
        self._due_at = min([self._due_at, *(time.monotonic() + wait for wait in waits if wait > 0)])
        return claimed

    def _used(self, claimed: Sequence[ClaimedTask]) -> dict[str, float]:
        """Seconds by which these starts move each rate ahead."""
        starts = Counter(name for task in claimed for name in names_in(task.tenant_id, task.limits))
        return {
            name: count * self._limits.rates[name].interval
            for name, count in starts.items()
            if name in self._limits.rates
        }


async def prune_rates(stores: Stores) -> None:
    """Forget rates that nobody used for a day."""
    async with stores.db.autocommit() as session:
        await statements.prune(session, after=RATES_KEPT_SECONDS)
