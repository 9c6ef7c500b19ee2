"""Verbs in any order, two at a time among them, on the real stores: after each step the rows say what the model says.

MACHINE_EXAMPLES=2000 looks for longer, at random; Hypothesis prints how to repeat what it finds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as bounds
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.db.statements import liveness
from shared.domain.ids import new_id
from shared.domain.task import ClaimedTask, NewTask
from shared.queue.claim import Claimant, claim_next
from shared.queue.submit import submit
from shared.queue.workers import deregister
from shared.settings import Settings
from tests.support.model import ModelTask, Seen, observe, violations
from tests.support.private_loop import PrivateLoop
from tests.support.stores import registered
from tests.support.verbs import (
    ENDS,
    TENANT,
    Verb,
    auditing,
    cancelling,
    claiming,
    expiring,
    raced,
    rescuing,
    retrying,
    settling,
    verdict_of,
)

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "0"))
BOUNDS = bounds(
    max_examples=EXAMPLES or 150,
    derandomize=not EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
MOST_LOSSES = 3
"""Ten in earnest: no short example gets there."""
QUEUE = "demo_tasks"

RACERS = ("claim", "settle", "cancel", "retry", "expire", "rescue", "audit")


class Protocol(RuleBasedStateMachine):
    """Up to three tasks and two workers that live, beside the dead and the deaf."""

    bench: PrivateLoop
    tasks: Bundle[UUID] = Bundle("tasks")
    workers: Bundle[Claimant] = Bundle("workers")
    runs: Bundle[ClaimedTask] = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        for emptying in ("DELETE FROM tasks", "DELETE FROM workers", "DELETE FROM queues"):
            self.bench.execute(emptying)
        self.bench.flush()
        self.stores = self.bench.stores
        self.model: dict[UUID, ModelTask] = {}
        self.last_seen: dict[UUID, Seen] = {}
        self.beats: dict[UUID, int] = {}
        self.dead: set[UUID] = set()
        self.known: dict[UUID, set[UUID]] = {}
        self.is_paused = False
        self.heard: dict[UUID | None, ClaimedTask] = {}

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.everything_ends()

    @invariant()
    def the_rows_say_what_the_model_says(self) -> None:
        seen = self.bench.run(observe(self.stores))
        for task_id, row in seen.items():
            assert violations(self.last_seen.get(task_id), row) == []
        assert seen == {task_id: task.seen() for task_id, task in self.model.items()}
        self.last_seen = seen

    def do(self, verb: Verb) -> None:
        said = self.bench.run(verb.call(self.stores))
        after = {task_id: verb.move(task_id, task) for task_id, task in self.model.items()}
        assert said == _changed(self.model, after), "the answer is not what happened"
        self.model = after

    # People.

    @initialize(target=tasks)
    def first_task(self) -> UUID:
        return self._submitted(max_attempts=2, delay=0.0, expires=False)

    @precondition(lambda self: len(self.model) < 3)
    @rule(target=tasks, max_attempts=st.integers(1, 3), delay=st.sampled_from([0.0, 3_600.0]), expires=st.booleans())
    def submit(self, max_attempts: int, delay: float, expires: bool) -> UUID:
        return self._submitted(max_attempts, delay, expires)

    def _submitted(self, max_attempts: int, delay: float, expires: bool) -> UUID:
        expires_at = datetime.now(UTC) + timedelta(days=1) if expires else None
        new = NewTask(
            new_id(), "simple_calculation", {}, QUEUE, 5, 60.0, max_attempts, delay=delay, expires_at=expires_at
        )
        self.bench.run(submit(self.stores, TENANT, [new]))
        self.model[new.id] = ModelTask(max_attempts, is_due=not delay, expiry="ahead" if expires else "none")
        return new.id

    @rule(task_id=tasks)
    def cancel(self, task_id: UUID) -> None:
        self.do(cancelling(task_id))

    @rule(task_id=tasks)
    def retry(self, task_id: UUID) -> None:
        self.do(retrying(task_id))

    @rule(is_paused=st.booleans())
    def pause(self, is_paused: bool) -> None:
        upsert = """INSERT INTO queues (tenant_id, name, paused) VALUES (1, :name, :paused)
            ON CONFLICT (tenant_id, name) DO UPDATE SET paused = excluded.paused"""
        self.bench.execute(upsert, name=QUEUE, paused=is_paused)
        self.is_paused = is_paused

    # Time, and Redis.

    @rule(task_id=tasks)
    def its_backoff_passes(self, task_id: UUID) -> None:
        self.bench.execute("UPDATE tasks SET run_at = now() WHERE id = :id", id=task_id)
        self.model[task_id] = replace(self.model[task_id], is_due=True)

    @rule(task_id=tasks)
    def its_lifetime_passes(self, task_id: UUID) -> None:
        if self.model[task_id].expiry == "ahead":
            self.bench.execute("UPDATE tasks SET expires_at = now() WHERE id = :id", id=task_id)
            self.model[task_id] = replace(self.model[task_id], expiry="past")

    @rule()
    def expire(self) -> None:
        self.do(expiring())

    @rule()
    def redis_forgets_everything(self) -> None:
        self.bench.flush()

    # Workers.

    @initialize(target=workers)
    def first_worker(self) -> Claimant:
        return self._started()

    @precondition(lambda self: len(self.known) - len(self.dead) < 2)
    @rule(target=workers)
    def start_worker(self) -> Claimant:
        return self._started()

    def _started(self) -> Claimant:
        who = self.bench.run(registered(self.stores))
        self.beats[who.worker_id], self.known[who.worker_id] = 0, set()
        return who

    @rule(target=runs, who=workers, task_id=tasks, is_heard=st.booleans())
    def claim(self, who: Claimant, task_id: UUID, is_heard: bool) -> Any:
        """By an id that a hint held once, however stale. Not heard: the reply is lost."""
        claimed: list[ClaimedTask] = []
        self.do(claiming(who, task_id, uuid4(), claimed, may=self._may_claim(who)))
        return self._owned(who, claimed, is_heard)

    @rule(target=runs, who=workers, most=st.integers(1, 3))
    def claim_what_redis_hints(self, who: Claimant, most: int) -> Any:
        taken = self.bench.take_hints(most)
        claimed: list[ClaimedTask] = []
        for task_id in map(UUID, taken.ids):
            self.do(claiming(who, task_id, uuid4(), claimed, may=self._may_claim(who)))
        return self._owned(who, claimed)

    @rule(target=runs, who=workers, is_heard=st.booleans())
    def poll(self, who: Claimant, is_heard: bool) -> Any:
        return self._owned(who, self._polled(who), is_heard)

    def _polled(self, who: Claimant) -> list[ClaimedTask]:
        lease = uuid4()
        claimed = self.bench.run(claim_next(self.stores, who, len(self.model), lease=lease))
        ready = {task_id for task_id, task in self.model.items() if self._may_claim(who) and task.is_claimable}
        assert sorted(task.id for task in claimed) == sorted(ready)
        self.model |= {task_id: self.model[task_id].claimed(who.worker_id, lease) for task_id in ready}
        return claimed

    @rule(run=runs, end=st.sampled_from(sorted(ENDS)))
    def settle(self, run: ClaimedTask, end: str) -> None:
        """Any run there ever was: late and repeated ends are among them."""
        self.do(settling(run, verdict_of(run, end)))

    @rule(task_id=tasks, end=st.sampled_from(sorted(ENDS)), is_cancelled=st.booleans())
    def its_run_ends(self, task_id: UUID, end: str, is_cancelled: bool) -> None:
        if run := self.heard.get(self.model[task_id].lease):
            if is_cancelled:
                self.do(cancelling(task_id))
            self.do(settling(run, verdict_of(run, end)))

    @rule(who=workers)
    def beat(self, who: Claimant) -> None:
        beat = self.bench.run(self.bench.heartbeat.beat(who.worker_id, "running"))
        assert beat.is_alive is self._lives(who.worker_id)
        assert beat.counters == {worker: count for worker, count in self.beats.items() if self._lives(worker)}
        mine = {i for i, t in self.model.items() if t.lease and t.worker == who.worker_id and t.cancel_requested}
        assert {request.task_id for request in beat.cancels} == mine
        self.beats[who.worker_id] += beat.is_alive

    @rule(who=workers, how=st.sampled_from(["falsely declared", "declared", "left"]))
    def die(self, who: Claimant, how: str) -> None:
        """Falsely: by a watcher who read a beat that is not the last one any more; then it must not die."""
        if how == "left":
            self.bench.run(deregister(self.stores, who.worker_id))
        else:
            was_declared = self.bench.run(self._declare(who.worker_id, self.beats[who.worker_id] - (how != "declared")))
            assert was_declared is (self._lives(who.worker_id) and how == "declared")
        if how != "falsely declared":
            self.dead.add(who.worker_id)

    async def _declare(self, worker_id: UUID, beat: int) -> bool:
        async with self.stores.db.autocommit() as session:
            return await liveness.declare_dead(session, worker_id, beat)

    @rule()
    def rescue(self) -> None:
        self.do(rescuing(self._lives))

    @rule(who=workers)
    def audit(self, who: Claimant) -> None:
        self.do(auditing(who.worker_id, self.known[who.worker_id]))

    # Two at a time.

    @rule(
        target=runs,
        run=runs,
        who=workers,
        end=st.sampled_from(sorted(ENDS)),
        first=st.sampled_from(RACERS),
        second=st.sampled_from(RACERS),
        is_current=st.booleans(),
    )
    def race(self, run: ClaimedTask, who: Claimant, end: str, first: str, second: str, is_current: bool) -> Any:
        """The second verb meets a row that the first one wrote and did not commit: it waits for it or passes it by."""
        claimed: list[ClaimedTask] = []
        run = self.heard.get(self.model[run.id].lease, run) if is_current else run
        one, two = (self._verb(name, run, who, end, claimed) for name in (first, second))
        said_one, said_two = self.bench.run(raced(self.stores, one, two))
        between = {task_id: one.move(task_id, task) for task_id, task in self.model.items()}
        assert said_one == _changed(self.model, between)
        seen = self.bench.run(observe(self.stores))
        after = {task_id: self._met(two, task_id, task, seen[task_id]) for task_id, task in between.items()}
        assert said_two == _changed(between, after)
        self.model, self.last_seen = after, {task_id: task.seen() for task_id, task in between.items()}
        return self._owned(who, claimed)

    def _met(self, verb: Verb, task_id: UUID, task: ModelTask, seen: Seen) -> ModelTask:
        """What ``verb`` made of ``task``, which another verb was just moving: all of its own move, or nothing."""
        before = self.model[task_id]
        may_miss = task != before and (verb.skips or verb.move(task_id, before) == before)
        return task if may_miss and seen == task.seen() else verb.move(task_id, task)

    def _verb(self, name: str, run: ClaimedTask, who: Claimant, end: str, claimed: list[ClaimedTask]) -> Verb:
        if name == "claim":
            lease = uuid4()
            self.known[who.worker_id].add(lease)
            return claiming(who, run.id, lease, claimed, may=self._may_claim(who))
        verbs = {
            "settle": settling(run, verdict_of(run, end)),
            "cancel": cancelling(run.id),
            "retry": retrying(run.id),
            "expire": expiring(),
            "rescue": rescuing(self._lives),
            "audit": auditing(who.worker_id, self.known[who.worker_id]),
        }
        return verbs[name]

    def everything_ends(self) -> None:
        """Whatever happened: with one live worker and time, every task comes to its end."""
        self.pause(is_paused=False)
        self.redis_forgets_everything()
        for worker_id in self.known:
            self.bench.run(deregister(self.stores, worker_id))
            self.dead.add(worker_id)
        self.rescue()
        for task_id in self.model:
            self.its_backoff_passes(task_id)
        self.expire()
        for run in self._polled(self._started()):
            self.settle(run, "success")
        self.the_rows_say_what_the_model_says()
        assert all(task.status.is_final for task in self.model.values())

    def _owned(self, who: Claimant, claimed: list[ClaimedTask], is_heard: bool = True) -> Any:
        if not is_heard:
            return multiple()
        self.known[who.worker_id] |= {task.lease for task in claimed}
        self.heard |= {task.lease: task for task in claimed}
        return multiple(*claimed)

    def _lives(self, worker_id: UUID) -> bool:
        return worker_id not in self.dead

    def _may_claim(self, who: Claimant) -> bool:
        return self._lives(who.worker_id) and not self.is_paused


def _changed(before: dict[UUID, ModelTask], after: dict[UUID, ModelTask]) -> int:
    return sum(after[task_id] != task for task_id, task in before.items())


@pytest.fixture
def bench(settings: Settings) -> Iterator[PrivateLoop]:
    opened = PrivateLoop(settings)
    yield opened
    opened.close()


def test_the_stores_and_the_model_agree(bench: PrivateLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "MOST_LOSSES", MOST_LOSSES)
    monkeypatch.setattr(Protocol, "bench", bench, raising=False)
    run_state_machine_as_test(Protocol, settings=BOUNDS)
