"""The pump: record what ended, claim for free slots, start what was claimed; one exchange after another.

Batches make themselves: what ends while an exchange is under way goes with the next. The pump is never
cancelled in the middle of one: it is told to stop, and ends when all it knows of is recorded.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from worker.engine.jobs.exchange import MOST, Again, Answer, Ask, Claimed, Ended, handed_back
from worker.engine.jobs.leases import Leases
from worker.engine.jobs.line import OUTAGE, Line
from worker.engine.jobs.runner import Ctx, Hook, Run, Runner, call_hook
from worker.engine.jobs.stir import Stir

POLL_SECONDS = 0.25
"""Stock producers send no wake."""
ABORTS_SECONDS = 0.05
HALVES_FROM = 32
"""From so many slots on no claim takes more than half: one half runs while the other is recorded and claimed anew."""
FAIR_EVERY = 4
"""Every so many claims begin with another queue than the first, so that none starves."""
STOP_SECONDS = 5.0
"""How long a stopping worker waits out an outage of Redis for what it has to record."""
logger = logging.getLogger("arq.worker")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Terms:
    """How a pump works. ``burst``: end when no job is left, or ``max_burst_jobs`` (if not negative) have run."""

    queues: Sequence[str]
    max_jobs: int
    lease_s: float
    allow_abort: bool = False
    burst: bool = False
    max_burst_jobs: int = -1
    after_job_end: Hook | None = None


class Pump:
    """Runs jobs of some queues until told to stop. ``tasks`` is filled with what runs."""

    def __init__(
        self,
        line: Line,
        runner: Runner,
        terms: Terms,
        tasks: dict[str, asyncio.Task[Any]],
        may_claim: Callable[[], bool] = lambda: True,
    ) -> None:
        self.is_idle = asyncio.Event()
        """Whether a wake is of use. A busy worker asks by itself; the wakes of its own claims are for others."""
        self.started = 0
        self.refused = 0
        """Results not recorded, since another worker had the job."""
        self._line = line
        self._runner = runner
        self._terms = terms
        self._tasks = tasks
        self._may_claim = may_claim
        self._leases = Leases(terms.lease_s)
        self._runs: dict[str, Run] = {}
        self._ended: list[tuple[Ended | Again, Ctx | None]] = []
        self._stir = Stir()
        self._is_stopping = False
        self._number = 0
        self._aborts_from = 0
        self._next_aborts = 0.0
        self._due_at = 0.0
        self._most = min(MOST, terms.max_jobs // 2 if terms.max_jobs >= HALVES_FROM else terms.max_jobs)

    @property
    def room(self) -> int:
        """How many more jobs it would start now."""
        if self._is_stopping or not self._may_claim():
            return 0
        room = self._terms.max_jobs - len(self._runs)
        if self._terms.burst and self._terms.max_burst_jobs >= 0:
            room = min(room, self._terms.max_burst_jobs - self.started)
        return max(0, room)

    def stir(self) -> None:
        """Look at once whether there is something to claim."""
        self._due_at = 0.0
        self._stir.stir()

    def stop(self) -> None:
        """Claim no more; ``run`` returns when what runs has ended and is recorded."""
        self._is_stopping = True
        self._line.give_up_at = time.monotonic() + STOP_SECONDS
        self._stir.stir()

    async def run(self) -> None:
        """Pump. A stopping worker that can't reach Redis gives up: its leases end, and the jobs run again."""
        while True:
            try:
                is_over = await self._exchange()
            except OUTAGE as error:
                logger.error("%d ends of jobs are not recorded: %s", len(self._ended), error)  # noqa: TRY400 - no bug
                return
            if is_over:
                return
            await self._rest()

    async def _exchange(self) -> bool:
        """Exchange once; whether nothing is left to do."""
        now = time.monotonic()
        ended, self._ended = self._ended[:MOST], self._ended[MOST:]
        renewing = self._leases.due(self._runs.values(), now)
        ask = self._ask([wire for wire, _ in ended], renewing, now)
        try:
            answer = await self._line.exchange(ask)
        except BaseException:
            self._ended = ended + self._ended
            raise
        # The timer first: starting jobs takes time. Ends before claims: one may be of the same job.
        self._due_at = time.monotonic() + (POLL_SECONDS if answer.next_due_s is None else answer.next_due_s)
        self._take_ends(ended, answer)
        self._leases.renewed(renewing, answer.lost, now)
        self._take_aborts(ask, answer)
        self._take_claims(answer.claimed, now)
        if self.room and (answer.has_more or len(answer.claimed) == ask.want):
            self._stir.stir()
        return self._is_over(answer)

    def _ask(self, finish: Sequence[Ended | Again], renewing: Sequence[Run], now: float) -> Ask:
        self._number += 1
        jobs = [run.claimed for run in renewing]
        is_abort_due = self._terms.allow_abort and now >= self._next_aborts
        if is_abort_due:
            self._next_aborts = now + ABORTS_SECONDS
        return Ask(
            number=self._number,
            token=f"{self._line.worker}:{self._number}",
            want=min(self.room, self._most),
            lease_ms=round(self._terms.lease_s * 1_000),
            order=self._order(),
            finish=finish,
            renew=[(job.job_id, job.place, job.token, job.tries) for job in jobs],
            allow_abort=self._terms.allow_abort,
            aborts_from=self._aborts_from if is_abort_due else -1,
        )

    def _order(self) -> list[int]:
        places = list(range(1, len(self._terms.queues) + 1))
        turn, rest = divmod(self._number, FAIR_EVERY)
        first = turn % len(places) if rest == 0 else 0
        return [places[first], *places[:first], *places[first + 1 :]]

    def _take_ends(self, ended: Sequence[tuple[Ended | Again, Ctx | None]], answer: Answer) -> None:
        for (wire, ctx), is_accepted in zip(ended, answer.accepted, strict=True):
            if not is_accepted:
                self.refused += 1
                logger.warning("job %s is another worker's now: what it gave here is dropped", wire.job_id)
            elif ctx is not None and self._terms.after_job_end is not None:
                self._start(f"{wire.job_id}:{wire.token}:after", call_hook(self._terms.after_job_end, ctx), _ignore)

    def _take_aborts(self, ask: Ask, answer: Answer) -> None:
        if ask.aborts_from < 0:
            return
        self._aborts_from = ask.aborts_from + MOST if len(answer.aborts) == MOST else 0
        if answer.aborts:
            by_id = {run.claimed.job_id: run for run in self._runs.values()}
            for job_id, asked_ms in answer.aborts:
                if (run := by_id.get(job_id)) is not None:
                    run.abort(asked_ms)

    def _take_claims(self, claimed: Sequence[Claimed], asked_at: float) -> None:
        for job in claimed:
            if self._is_stopping:
                self._ended.append((handed_back(job), None))
                continue
            key = f"{job.job_id}:{job.token}"
            run = self._runs[key] = Run(job, asked_at)
            self.started += 1
            self._start(key, self._runner.run(run), partial(self._take_outcome, key))
            run.task = self._tasks[key]

    def _start(self, key: str, work: Coroutine[Any, Any, T], done: Callable[[asyncio.Task[T]], None]) -> None:
        task = self._tasks[key] = asyncio.create_task(work)

        def ended(task: asyncio.Task[T]) -> None:
            del self._tasks[key]
            done(task)
            self._stir.stir()

        task.add_done_callback(ended)

    def _take_outcome(self, key: str, task: asyncio.Task[Ended | Again | None]) -> None:
        run = self._runs.pop(key)
        if task.cancelled():  # before its first step, so that nothing of it ran
            self._ended.append((handed_back(run.claimed), None))
        elif (error := task.exception()) is not None:
            # A bug of ours, not the job's: its lease ends, and it runs again while it has tries left.
            logger.error("job %s came to no end", run.claimed.job_id, exc_info=error)
        elif (wire := task.result()) is not None:
            self._ended.append((wire, run.ctx))

    def _is_over(self, answer: Answer) -> bool:
        if self._tasks or self._runs or self._ended:
            return False
        if self._terms.burst and not answer.has_more:
            has_budget = self._terms.max_burst_jobs < 0 or self.started < self._terms.max_burst_jobs
            return self._is_stopping or not (answer.queued and has_budget)
        return self._is_stopping

    async def _rest(self) -> None:
        """Wait for an end, a wake, the next due job, or the next poll."""
        has_room = self.room > 0
        if has_room and not self._stir.is_stirred:
            self.is_idle.set()
        else:
            self.is_idle.clear()
        seconds = min(POLL_SECONDS, self._due_at - time.monotonic()) if has_room else POLL_SECONDS
        await self._stir.wait(max(0.001, seconds))


def _ignore(_: asyncio.Task[None]) -> None:
    """A hook after the end changes nothing; its errors are logged."""
