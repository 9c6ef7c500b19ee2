"""How the stories of the failpoint tests begin, and the verbs they tell of, over stores that may do harm."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from shared.domain.ids import new_id
from shared.domain.limits import Limits
from shared.domain.task import ClaimedTask, NewTask
from shared.domain.verdict import Verdict, completed, failed
from shared.queue.cancel import cancel
from shared.queue.claim import Claimant, claim_hinted, claim_next
from shared.queue.idempotency import Answer, once
from shared.queue.limits import LimitedClaims
from shared.queue.liveness import release_unknown, rescue
from shared.queue.retry import retry
from shared.queue.settle import expire
from shared.queue.stores import Stores
from shared.queue.submit import store, submit
from tests.support.scenes.making import AT_ONCE, ERROR, die, ended, execute, running, submitted
from tests.support.verbs import TENANT

DONE = completed("1")
LIMIT = "type:simple_calculation"
ONE_AT_ONCE = Limits({LIMIT: 1})


@dataclass
class Story:
    """A task and the worker at hand. ``run`` is what that worker still has to settle, ``known`` the leases it holds."""

    stores: Stores
    who: Claimant
    task_id: UUID | None = None
    run: ClaimedTask | None = None
    known: set[UUID] = field(default_factory=set)
    accepted: set[UUID] = field(default_factory=set)
    verdict: Verdict = DONE

    def owns(self, run: ClaimedTask) -> None:
        self.run, self.task_id = run, run.id
        self.known.add(run.lease)

    def forgets(self) -> None:
        self.run = None
        self.known.clear()

    @property
    def task(self) -> UUID:
        assert self.task_id is not None
        return self.task_id


def new_task() -> NewTask:
    return NewTask(new_id(), "simple_calculation", {}, "demo_tasks", 5, 60.0, 4)


# How a story begins.


async def nothing(story: Story) -> None:
    """The verb itself begins it."""


async def one_waits(story: Story) -> None:
    story.task_id = (await submitted(story.stores)).id


async def one_waits_for_a_limit(story: Story) -> None:
    story.task_id = (await submitted(story.stores, limits=LIMIT)).id


async def one_is_late(story: Story) -> None:
    await one_waits(story)
    await execute(story.stores, "UPDATE tasks SET expires_at = now()")


async def one_runs(story: Story) -> None:
    story.owns(await running(story.stores, story.who))


async def one_runs_and_would_be_retried(story: Story) -> None:
    await one_runs(story)
    story.verdict = AT_ONCE


async def one_runs_unknown(story: Story) -> None:
    await one_runs(story)
    story.forgets()


async def one_is_orphaned(story: Story) -> None:
    await one_runs_unknown(story)
    await die(story.stores)


async def one_failed(story: Story) -> None:
    await one_runs(story)
    assert story.run is not None
    await ended(story.stores, story.run, failed(ERROR))
    story.forgets()


# The verbs, over stores that may do harm.


async def submitting(story: Story, over: Stores) -> None:
    story.accepted |= {task.id for task in await submit(over, TENANT, [new_task()])}


async def submitting_once(story: Story, over: Stores) -> None:
    async def create(session: AsyncSession) -> Answer:
        [task] = await store(session, TENANT, [new_task()])
        return Answer(201, {}, str(task.id).encode())

    answer = await once(over, TENANT, "key", b"digest", create)
    story.accepted.add(UUID(answer.body.decode()))


async def submitting_unique(story: Story, over: Stores) -> None:
    """The first finds nobody with its key; whoever repeats it may find what it stored."""
    story.accepted |= {task.id for task in await submit(over, TENANT, [new_task()._replace(unique_key=b"one")])}


async def claiming(story: Story, over: Stores) -> None:
    for run in await claim_hinted(over, story.who, [story.task], lease=uuid4()):
        story.owns(run)


async def polling(story: Story, over: Stores) -> None:
    for run in await claim_next(over, story.who, 10, lease=uuid4()):
        story.owns(run)


async def claiming_under_a_limit(story: Story, over: Stores) -> None:
    for run in await LimitedClaims(over, story.who, ONE_AT_ONCE).claim(10, lease=uuid4()):
        story.owns(run)


async def settling(story: Story, over: Stores) -> None:
    if story.run is not None:
        await ended(over, story.run, story.verdict)
        story.forgets()


async def cancelling(story: Story, over: Stores) -> None:
    await cancel(over, TENANT, story.task)


async def retrying(story: Story, over: Stores) -> None:
    await retry(over, TENANT, story.task)


async def rescuing(story: Story, over: Stores) -> None:
    await rescue(over)


async def expiring(story: Story, over: Stores) -> None:
    await expire(over)


async def auditing(story: Story, over: Stores) -> None:
    await release_unknown(over, story.who.worker_id, lambda _, lease: lease in story.known)
