"""Runs one job: hooks, time limit, outcome. It speaks to no server; what it returns is recorded by the pump."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from arq.constants import keep_cronjob_progress
from arq.cron import CronJob
from arq.jobs import serialize_result
from arq.utils import ms_to_datetime, truncate
from arq.worker import Function, JobExecutionFailed, Retry, Worker

from worker.engine.jobs.calls import Call, is_stale, now_ms, objection, read_call
from worker.engine.jobs.exchange import Again, Claimed, Ended
from worker.engine.jobs.limits import Limits
from worker.engine.jobs.pace import Pace
from worker.engine.jobs.verdict import Order, Verdict, verdict

logger = logging.getLogger("arq.worker")
Ctx = dict[Any, Any]
Hook = Callable[[Ctx], Any]


class Run:
    """A job that runs here. ``held_at`` is when its lease was last asked for (monotonic)."""

    __slots__ = ("call", "claimed", "ctx", "held_at", "is_in_handler", "order", "started_ms", "task", "timer")

    def __init__(self, claimed: Claimed, held_at: float) -> None:
        self.claimed = claimed
        self.held_at = held_at
        self.order: Order | None = None
        self.is_in_handler = False
        self.call = Call("<unknown>", (), {}, claimed.tries, 0)
        self.ctx: Ctx | None = None
        self.started_ms = 0
        self.task: asyncio.Task[Any] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def end(self, order: Order) -> None:
        """Tell it to end. Only the handler is cancelled, once; a hook is left to do its work."""
        if self.order is None:
            self.order = order
            if self.is_in_handler and self.task is not None:
                self.task.cancel()

    def be_late(self) -> None:
        """Its time is over: cancel the handler, even one that ignored an earlier order."""
        self.order = self.order or Order.LATE
        if self.is_in_handler and self.task is not None:
            self.task.cancel()

    def abort(self, asked_ms: int) -> None:
        """Do what somebody asked for, if they meant this job and no earlier one of its id."""
        if not is_stale(asked_ms, self.call.enqueued_ms):
            self.end(Order.ABORT)


class Runner:
    """Runs jobs as ``worker`` is set up, and counts them there."""

    def __init__(self, worker: Worker, queues: Sequence[str]) -> None:
        self._worker = worker
        self._queues = queues
        self._pace = Pace(logger)
        self._limits = Limits()

    async def run(self, run: Run) -> Ended | Again | None:
        """Run the job to its end; what to record, or None if it is another worker's."""
        worker, job = self._worker, run.claimed
        run.started_ms = now_ms()
        run.call, error = read_call(job, worker.job_deserializer)
        refusal = objection(job, run.call, worker.functions, worker.max_tries) if error is None else error
        if refusal is not None:
            logger.warning("%s:%s not run: %s", job.job_id, run.call.name, str(refusal) or "aborted before its start")
            return self._refused(run, refusal)
        function = worker.functions[run.call.name]
        run.ctx = ctx = {
            **worker.ctx,
            "job_id": job.job_id,
            "job_try": run.call.job_try,
            "enqueue_time": ms_to_datetime(run.call.enqueued_ms),
            "score": job.score,
        }
        result, error_raised = await self._called(run, function, ctx)
        outcome = self._settled(run, function, result, error_raised)
        if worker.on_job_end:
            await call_hook(worker.on_job_end, ctx)
        return outcome

    async def _called(self, run: Run, function: Function | CronJob, ctx: Ctx) -> tuple[Any, BaseException | None]:
        """What the job returned or raised. An error of ``on_job_start`` is the job's."""
        worker, call = self._worker, run.call
        limit = worker.job_timeout_s if function.timeout_s is None else function.timeout_s
        try:
            if worker.on_job_start:
                await worker.on_job_start(ctx)
            run.started_ms = now_ms()
            self._tell_start(run)
            if run.order is not None:
                raise asyncio.CancelledError
            run.is_in_handler = True
            self._limits.watch(run, limit)
            return await function.coroutine(ctx, *call.args, **call.kwargs), None
        except asyncio.CancelledError as error:
            # Ours to keep: the job's end is recorded, whoever cancelled it.
            _forget_cancel()
            return None, TimeoutError() if run.order is Order.LATE else error
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its job's outcome
            return None, error
        except SystemExit as error:
            # One job must not end the worker, and then each worker that takes it next.
            return None, JobExecutionFailed(f"the job ended its process with {error.code!r}")
        finally:
            run.is_in_handler = False
            if run.timer is not None:
                run.timer.cancel()

    def _settled(
        self, run: Run, function: Function | CronJob, result: Any, error: BaseException | None
    ) -> Ended | Again | None:
        """Count the outcome, tell of it, and say what to record."""
        worker, job = self._worker, run.claimed
        decision = verdict(error, run.order, retry_jobs=worker.retry_jobs)
        self._tell_end(run, decision, result, error)
        match decision:
            case Verdict.FORGET:
                return None
            case Verdict.RETRY | Verdict.AGAIN:
                worker.jobs_retried += 1
                delay = (error.defer_score if isinstance(error, Retry) else None) or False
                return Again(job.job_id, job.place, job.token, job.tries, delay_ms=delay, score=job.score,
                             leave_tries=run.call.job_try)  # fmt: skip
            case Verdict.COMPLETE:
                worker.jobs_complete += 1
            case Verdict.FAILED | Verdict.ABORTED:
                worker.jobs_failed += 1
        keep_s = worker.keep_result_s if function.keep_result_s is None else function.keep_result_s
        forever = worker.keep_result_forever if function.keep_result_forever is None else function.keep_result_forever
        # A tick has an id of its own; one named by the user is meant to come again.
        bar_ms = keep_cronjob_progress * 1_000 if isinstance(function, CronJob) and not function.job_id else 0
        outcome = error if error is not None else result
        return self._ended(run, outcome, keep_s, has_failed=error is not None, forever=forever, bar_ms=bar_ms)

    def _refused(self, run: Run, error: BaseException) -> Ended:
        self._worker.jobs_failed += 1
        keep_s, forever = self._worker.keep_result_s, self._worker.keep_result_forever
        return self._ended(run, error, keep_s, has_failed=True, forever=forever)

    def _ended(
        self, run: Run, outcome: Any, keep_s: float | None, *, has_failed: bool, forever: bool | None, bar_ms: int = 0
    ) -> Ended:
        job, call = run.claimed, run.call
        data: bytes | None = None
        if forever or (keep_s or 0) > 0:
            data = serialize_result(
                call.name, call.args, call.kwargs, call.job_try, call.enqueued_ms, not has_failed, outcome,
                run.started_ms, now_ms(), f"{job.job_id}:{call.name}", self._queues[job.place - 1], job.job_id,
                serializer=self._worker.job_serializer,
            )  # fmt: skip
        ttl_ms = 0 if forever else max(1, round((keep_s or 0) * 1_000))
        return Ended(job.job_id, job.place, job.token, job.tries, result=data or False, ttl_ms=ttl_ms, bar_ms=bar_ms)

    def _tell_start(self, run: Run) -> None:
        if self._pace.allows():
            call = run.call
            waited = (run.started_ms - call.enqueued_ms) / 1_000
            logger.info("%6.2fs → %s:%s try=%d", waited, run.claimed.job_id, call.name, call.job_try)

    def _tell_end(self, run: Run, decision: Verdict, result: Any, error: BaseException | None) -> None:
        took, name = (now_ms() - run.started_ms) / 1_000, f"{run.claimed.job_id}:{run.call.name}"
        if decision is Verdict.FAILED:
            extra = {"extra": _extra_of(error)}
            logger.error("%6.2fs ! %s failed, %s", took, name, type(error).__name__, exc_info=error, extra=extra)
        elif self._pace.allows():
            said = _shown(result) if self._worker.log_results and result is not None else ""
            logger.info("%6.2fs %s %s %s", took, decision.name.lower(), name, said)


async def call_hook(hook: Hook | None, ctx: Ctx) -> None:
    """Call a hook whose error changes nothing: it is logged. A cancel is put off until the end is recorded."""
    if hook is None:
        return
    try:
        await hook(ctx)
    except asyncio.CancelledError:
        _forget_cancel()
        logger.warning("a hook was cancelled: %s", getattr(hook, "__qualname__", hook))
    except (Exception, SystemExit):
        logger.exception("a hook failed: %s", getattr(hook, "__qualname__", hook))


def _forget_cancel() -> None:
    if (task := asyncio.current_task()) is not None:
        while task.uncancel():
            pass


def _shown(result: Any) -> str:
    try:
        return truncate(repr(result))
    except Exception as error:  # noqa: BLE001 - a user's __repr__ may raise anything
        return f"<no repr: {type(error).__name__}>"


def _extra_of(error: BaseException | None) -> Any:
    """What an error says of itself for the log, as arq asks it."""
    extra = getattr(error, "extra", None)
    try:
        return extra() if callable(extra) else extra
    except Exception as failure:  # noqa: BLE001 - a user's method may raise anything
        return f"<no extra: {type(failure).__name__}>"
