"""The runs under way on this worker: started by the pump, cancelled by request, settled together, drained."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from shared.batching import Batcher
from shared.children import end
from shared.domain.cancels import CancelRequest
from shared.domain.errors import StoreUnavailable, Unstorable, describe
from shared.domain.task import ClaimedTask
from shared.domain.verdict import TaskError, Verdict, failed
from shared.logs import get_logger
from shared.queue.settle import Settled, Settlement, settle
from worker.counting import count_run
from worker.engine.slots import Slots
from worker.executor import Execution
from worker.handlers import Handlers
from worker.routine import routine

GIVE_BACK_SECONDS = 8.0
"""For handlers to end and their runs to be given back, once the grace is over."""
ABANDON_SECONDS = 5.0
UNSTORABLE = "unstorable"
"""The type of the error where the database refuses what a run came to."""
SETTLE_PAUSE_SECONDS = 0.5
SETTLE_PAUSE_AFTER_SURPRISE_SECONDS = 5.0
log = get_logger("worker")


class Executions:
    """Owns every run and its settle. A slot is given back when the handler ended, before the settle."""

    def __init__(self, handlers: Handlers, slots: Slots) -> None:
        self._handlers = handlers
        self._slots = slots
        self._claiming: set[UUID] = set()
        self._unsettled: dict[tuple[UUID, UUID], Execution] = {}
        self._running: dict[UUID, Execution] = {}
        self._given_up: set[asyncio.Task[Any]] = set()
        self._last_words: set[asyncio.Task[None]] = set()
        self._settles: Batcher[Settlement, Settled | None] = Batcher(self._write)
        self._all_settled = asyncio.Event()
        self._all_settled.set()
        self._is_abandoned = False
        self.started = 0
        self.ended: Counter[tuple[int, str]] = Counter()
        """Tasks that became final here, by tenant and queue; whoever tells of them takes them out."""

    @property
    def running(self) -> int:
        """How many handlers run."""
        return len(self._running)

    def knows(self, task_id: UUID, lease: UUID) -> bool:
        """Whether that run is ours and not settled, or may belong to a claim under way."""
        return (task_id, lease) in self._unsettled or lease in self._claiming

    @contextmanager
    def claiming(self) -> Iterator[UUID]:
        """A new lease, known until the block ends; then by the runs it started, or nobody."""
        lease = uuid4()
        self._claiming.add(lease)
        try:
            yield lease
        finally:
            self._claiming.discard(lease)

    def start(self, task: ClaimedTask) -> None:
        """Run ``task``, whose slot is taken."""
        self.started += 1
        execution = Execution(task, self._handlers, self._ended)
        self._unsettled[task.id, task.lease] = execution
        self._running[task.id] = execution
        self._all_settled.clear()
        execution.start()

    def cancel(self, request: CancelRequest) -> None:
        """Somebody wants this cancelled; not ours, or of a generation that is over: nothing happens."""
        execution = self._running.get(request.task_id)
        if execution is not None and execution.task.generation == request.generation:
            execution.cancel()

    async def drain(self, grace: float, release_now: asyncio.Event) -> None:
        """Let runs end within ``grace`` seconds, or until ``release_now``; then give the rest back."""
        if self._unsettled:
            asked = asyncio.create_task(release_now.wait())
            ended = asyncio.create_task(self._all_settled.wait())
            await asyncio.wait({asked, ended}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            await end(asked, ended)
        for execution in list(self._running.values()):
            execution.interrupt()
        if self._unsettled:
            # Bounded: with the database away nothing can be given back, and the death watch will find it.
            giving_back = asyncio.create_task(self._all_settled.wait())
            await asyncio.wait({giving_back}, timeout=GIVE_BACK_SECONDS)
            await end(giving_back)
        await self.abandon()

    async def abandon(self) -> None:
        """End every run and settle none: their tasks are somebody else's already, or will be.

        Bounded: a handler that does not end is left to the end of the process.
        """
        self._is_abandoned = True
        await self._settles.close()
        handlers = [e.handler for e in self._running.values() if e.handler]
        if not await end(*handlers, *self._given_up, *self._last_words, within=ABANDON_SECONDS):
            log.error("handlers_did_not_end", after_seconds=ABANDON_SECONDS)
        self._unsettled.clear()
        self._all_settled.set()

    def _ended(self, execution: Execution, verdict: Verdict) -> None:
        self._slots.give_back()
        self._slots.owe()
        # A newer run of the same task may stand here already, if ours had lost its lease.
        if self._running.get(execution.task.id) is execution:
            del self._running[execution.task.id]
        if execution.handler is not None and not execution.handler.done():
            self._given_up.add(execution.handler)
            execution.handler.add_done_callback(self._given_up.discard)
        if execution.has_said_anything and not self._handlers.board.is_flushed():
            # Whoever reads its stream would take the end of the task for the end of its words.
            last_words = asyncio.create_task(self._handlers.board.flush(), name="last-words")
            self._last_words.add(last_words)
            last_words.add_done_callback(partial(self._settle_after, execution, verdict))
        else:
            self._settle(execution, verdict)

    def _settle_after(self, execution: Execution, verdict: Verdict, last_words: asyncio.Task[None]) -> None:
        self._last_words.discard(last_words)
        if not last_words.cancelled() and (surprise := last_words.exception()) is not None:
            log.error("last_words_lost", exc_info=surprise, **execution.facts())
        self._settle(execution, verdict)

    def _settle(self, execution: Execution, verdict: Verdict) -> None:
        """Write ``verdict``; while the database is away, again and again.

        A reply that was lost is asked for by the repeat: it finds the lease gone, and reads the row.
        """
        if self._is_abandoned:
            return
        task = execution.task
        progress = execution.last_progress(verdict)
        spoke = execution.has_said_anything
        settlement = Settlement(task.tenant_id, task.id, task.lease, verdict, progress, task.type, task.wait, spoke)
        self._settles.put(settlement, Ending(self, execution, verdict))

    async def _write(self, settlements: Sequence[Settlement]) -> Sequence[Settled | None]:
        try:
            return await settle(self._handlers.stores, settlements)
        except StoreUnavailable:
            # One line for all of them: each repeats twice a second, however long it takes.
            log.warning("settle_failed", reason="database away", runs=len(settlements))
            raise

    def written(self, execution: Execution, verdict: Verdict, settled: Settled | None) -> None:
        """The end of a run is in the database; None: its lease was lost."""
        task = execution.task
        self._unsettled.pop((task.id, task.lease), None)
        self._slots.paid()
        if not self._unsettled:
            self._all_settled.set()
        if settled is not None and settled.status.is_final:
            self.ended[task.tenant_id, task.queue] += 1
        count_run(task, verdict, settled)
        _tell(execution, verdict, settled)

    def not_written(self, execution: Execution, verdict: Verdict, error: BaseException) -> None:
        """Nobody knows whether it is: it is asked for again."""
        again = partial(self._settle, execution, verdict)
        match error:
            case StoreUnavailable():
                asyncio.get_running_loop().call_later(SETTLE_PAUSE_SECONDS, again)
            case Unstorable() if verdict.error is None or verdict.error.type != UNSTORABLE:
                self._settle(execution, failed(TaskError(UNSTORABLE, describe(error), retryable=False)))
            case _:
                # Nothing we know of; the result is kept, and the lease with it, until the worker ends.
                log.error("settle_failed", exc_info=error, **execution.facts())
                asyncio.get_running_loop().call_later(SETTLE_PAUSE_AFTER_SURPRISE_SECONDS, again)


class Ending:
    """Where the answer to a settle goes: in the place of a future, which costs two turns of the loop for each run."""

    __slots__ = ("_execution", "_owner", "_verdict")

    def __init__(self, owner: Executions, execution: Execution, verdict: Verdict) -> None:
        self._owner = owner
        self._execution = execution
        self._verdict = verdict

    def done(self) -> bool:
        return False  # a settle is never taken back

    def cancel(self) -> None:
        """The worker gave up its runs: nobody is told."""

    def set_result(self, settled: Settled | None, /) -> None:
        self._owner.written(self._execution, self._verdict, settled)

    def set_exception(self, error: BaseException, /) -> None:
        self._owner.not_written(self._execution, self._verdict, error)


def _tell(execution: Execution, verdict: Verdict, settled: Settled | None) -> None:
    if settled is None:
        log.warning("task_lease_lost", outcome=verdict.outcome, **execution.facts())
        return
    if verdict.error is None and not routine.may_write():
        return
    facts: dict[str, object] = {"status": settled.status, "duration": settled.duration, **execution.facts()}
    if verdict.error is not None:
        facts |= {"error": verdict.error.type, "retry_in": verdict.delay.total_seconds() or None}
    log.info("task_settled", **facts)
