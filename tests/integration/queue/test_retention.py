"""The daily cleanup on the real stores: only what is final and old goes, once and whole."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from shared.db.statements import retention as statements
from shared.domain.ids import first_id_at, new_id
from shared.queue import retention
from shared.queue.claim import Claimant, claim_hinted
from shared.queue.retention import FIRST, Cleanup, Removed
from shared.queue.stores import Stores
from tests.support.aged import OLD, YOUNG, Planned, count, ended, id_of, left, stored, tried, waiting


def test_an_id_is_below_every_id_of_its_moment_and_above_all_before() -> None:
    before, moment = new_id(), datetime.fromtimestamp(time.time() + 1, UTC)
    assert before < first_id_at(moment) < id_of(timedelta(seconds=-1))
    assert first_id_at(datetime(1970, 1, 1, tzinfo=UTC)) == FIRST


async def test_a_days_part_becomes_due_at_two_o_clock(stores: Stores) -> None:
    async with stores.db.autocommit() as session:
        before = await statements.cutoff(session, days=30)
    age = datetime.now(UTC) - before
    assert (before.hour, before.minute, before.second) == (2, 0, 0)
    assert timedelta(days=30) <= age < timedelta(days=31)


async def test_only_what_is_final_and_old_goes(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await ended(stores, planned)
    young = await ended(stores, planned, YOUNG)
    ended_late = await ended(stores, planned, YOUNG, made=OLD)
    waits = await waiting(stores, planned)
    runs = await waiting(stores, planned)
    assert await claim_hinted(stores, claimant, [runs.id])
    assert await Cleanup().run(stores) == Removed(tasks=1)
    assert await left(stores) == {young, ended_late, waits.id, runs.id}


async def test_attempts_go_with_their_task(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await tried(stores, planned, claimant)
    assert await count(stores, "attempts") == 1
    assert await Cleanup().run(stores) == Removed(tasks=1)
    assert await count(stores, "attempts") == 0


async def test_what_was_done_is_logged(stores: Stores, planned: Planned) -> None:
    await ended(stores, planned)
    await stored(stores)
    with capture_logs() as logs:
        await Cleanup().run(stores)
    [line] = logs
    assert (line["event"], line["chore"], line["tasks"], line["files"], line["is_over"]) == (
        "chore_done", "cleanup_old_tasks", 1, 1, True,
    )  # fmt: skip
    assert line["seconds"] > 0


async def test_a_walk_that_is_over_is_not_walked_again(stores: Stores, planned: Planned) -> None:
    cleanup = Cleanup()
    assert await cleanup.run(stores) == Removed()
    await ended(stores, planned)
    assert await cleanup.run(stores) is None
    assert await Cleanup().run(stores) == Removed(tasks=1), "another process has its own walk"


async def test_a_round_ends_in_time_and_the_next_goes_on(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "TASKS_BATCH", 2)
    monkeypatch.setattr(retention, "FILES_BATCH", 2)
    keeps = [(await waiting(stores, planned)).id for _ in range(5)]
    for _ in range(5):
        await ended(stores, planned)
        await stored(stores)
    cleanup, rounds = Cleanup(round_seconds=0.001), []
    while (removed := await cleanup.run(stores)) is not None:
        rounds.append(removed)
    assert (sum(r.tasks for r in rounds), sum(r.files for r in rounds)) == (5, 5)
    assert len(rounds) > 2
    assert await left(stores) == set(keeps)
