"""Tasks with a unique key over the real stores: of one key one waits or runs, however many submit it at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.db.statements import unique
from shared.domain.errors import Conflict
from shared.domain.operations import BulkAction, Selection
from shared.domain.states import Status
from shared.domain.task import NewTask, Task, TaskFilter
from shared.domain.verdict import completed, failed
from shared.queue.bulk import carry_on
from shared.queue.claim import Claimant, claim_hinted
from shared.queue.planning import Request, plan
from shared.queue.retry import retry
from shared.queue.scheduler import make_due_ticks
from shared.queue.schedules import Schedules, Wanted
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.settings import load_settings
from tests.support.model import observe
from tests.support.scenes.bulk import begun
from tests.support.scenes.making import ERROR, execute
from tests.support.scenes.ticking import back_dated
from tests.support.unique_tasks import registry

REGISTRY = registry()
SETTINGS = load_settings(_env_file=None)


def crawl(url: str = "https://a.example/", **more: Any) -> NewTask:
    return plan(REGISTRY, SETTINGS, Request("crawl", {"url": url, **more}))


async def only(stores: Stores, new: NewTask, tenant_id: int = 1) -> Task:
    [task] = await submit(stores, tenant_id, [new])
    return task


@pytest.fixture
def crawler(claimant: Claimant) -> Claimant:
    return Claimant(claimant.worker_id, claimant.queues, ("crawl", "fetch"))


async def end(stores: Stores, who: Claimant, task: Task, *, well: bool = True) -> None:
    [run] = await claim_hinted(stores, who, [task.id])
    await settle(stores, [Settlement(1, run.id, run.lease, completed("{}") if well else failed(ERROR), None)])


async def test_sixty_four_at_once_make_one_task(stores: Stores) -> None:
    async with asyncio.timeout(30):
        stored = await asyncio.gather(*(only(stores, crawl()) for _ in range(64)))
    assert len({task.id for task in stored}) == 1
    assert set(await observe(stores)) == {stored[0].id}


async def test_a_key_is_taken_while_its_task_waits_or_runs_and_free_after(stores: Stores, crawler: Claimant) -> None:
    first = await only(stores, crawl())
    assert (await only(stores, crawl())).id == first.id
    [run] = await claim_hinted(stores, crawler, [first.id])
    second = await only(stores, crawl(note="other fields do not count"))
    assert (second.id, second.status) == (first.id, Status.PROCESSING)
    await settle(stores, [Settlement(1, run.id, run.lease, completed("{}"), None)])
    third = await only(stores, crawl())
    assert third.id != first.id
    assert len(await observe(stores)) == 2


async def test_another_key_another_type_and_no_key_at_all_are_other_tasks(stores: Stores) -> None:
    fetch = plan(REGISTRY, SETTINGS, Request("fetch", {"url": "https://a.example/"}))
    keyless = [plan(REGISTRY, SETTINGS, Request("fetch", {"url": "https://a.example/", "depth": 0})) for _ in range(2)]
    tasks = [crawl(), crawl(depth=2), crawl("https://b.example/"), fetch, *keyless]
    assert [task.id for task in await submit(stores, 1, tasks)] == [task.id for task in tasks]
    assert len(await observe(stores)) == len(tasks)


async def test_tenants_do_not_share_keys(stores: Stores) -> None:
    await execute(stores, "INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING")
    try:
        mine, theirs = await only(stores, crawl()), await only(stores, crawl(), tenant_id=2)
        assert mine.id != theirs.id
    finally:
        await execute(stores, "DELETE FROM tasks")
        await execute(stores, "DELETE FROM tenants WHERE id = 2")


async def test_a_batch_says_which_were_there_and_may_hold_a_key_twice(stores: Stores) -> None:
    first = await only(stores, crawl("https://1.example/"))
    planned = [crawl(f"https://{n % 150}.example/") for n in range(200)]
    stored = await submit(stores, 1, planned)
    assert stored[1].id == stored[151].id == first.id
    assert stored[0].id == planned[0].id == stored[150].id
    assert len(await observe(stores)) == 150


async def test_batches_with_the_same_keys_in_any_order_do_not_wait_in_a_circle(stores: Stores) -> None:
    urls = [f"https://{n}.example/" for n in range(40)]
    async with asyncio.timeout(30):
        await asyncio.gather(
            *(submit(stores, 1, [crawl(url) for url in (urls if n % 2 else urls[::-1])]) for n in range(8))
        )
    assert len(await observe(stores)) == 40


async def test_a_first_that_ends_in_between_is_followed_by_the_second(
    stores: Stores, crawler: Claimant, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await only(stores, crawl())
    twins = unique.twins

    async def too_late(*given: Any) -> Any:
        if (await observe(stores))[first.id].status is Status.PENDING:
            await end(stores, crawler, first)
        return await twins(*given)

    monkeypatch.setattr(unique, "twins", too_late)
    new = crawl()
    assert (await only(stores, new)).id == new.id


async def test_who_never_gets_a_turn_is_told(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*given: Any) -> dict[Any, Any]:
        return {}

    await only(stores, crawl())
    monkeypatch.setattr(unique, "twins", nobody)
    with pytest.raises(Conflict):
        await only(stores, crawl())


async def test_an_old_task_cannot_be_retried_beside_a_newer_one(stores: Stores, crawler: Claimant) -> None:
    old = await only(stores, crawl())
    await end(stores, crawler, old, well=False)
    newer = await only(stores, crawl())
    with pytest.raises(Conflict, match="unique key"):
        await retry(stores, 1, old.id)
    await end(stores, crawler, newer)
    assert (await retry(stores, 1, old.id)).status is Status.PENDING


async def test_of_many_with_one_key_a_bulk_retry_takes_the_newest(stores: Stores, crawler: Claimant) -> None:
    ended = []
    for _ in range(3):
        ended.append(await only(stores, crawl()))
        await end(stores, crawler, ended[-1], well=False)
    failed_ones = Selection(wanted=TaskFilter(statuses=(Status.FAILED,)))
    first = await carry_on(stores, await begun(stores, BulkAction.RETRY, failed_ones))
    assert (first.matched, first.done, first.skipped) == (3, 1, {"existing": 2})
    assert (await observe(stores))[ended[-1].id].status is Status.PENDING
    again = await carry_on(stores, await begun(stores, BulkAction.RETRY, failed_ones))
    assert (again.matched, again.done, again.skipped) == (2, 0, {"existing": 2})


async def test_a_tick_makes_no_task_beside_one_that_waits(stores: Stores) -> None:
    async with stores.db.autocommit() as session:
        wanted = Wanted("often", "crawl", {"url": "https://a.example/"}, every=3_600.0)
        schedule = await Schedules(stores, REGISTRY).create(session, 1, wanted)
    first = await only(stores, crawl())
    await back_dated(stores, schedule, 3_605.0)
    await make_due_ticks(stores, REGISTRY)
    assert set(await observe(stores)) == {first.id}
    await execute(stores, "DELETE FROM tasks")
    await back_dated(stores, schedule, 3_601.0)
    await make_due_ticks(stores, REGISTRY)
    [made] = await observe(stores)
    assert (await only(stores, crawl())).id == made, "a submit finds the task of a tick"
