"""Cancels and retries race the ends of runs: every 2xx a client got is true at the end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from tests.chaos.conftest import Stage
from tests.support.load import Load

TASKS = 40
STORM_SECONDS = 6.0


async def test_a_storm_of_cancels_and_retries_leaves_every_answer_true(stage: Stage) -> None:
    chance = random.Random(20)  # noqa: S311 - picks victims, keeps no secret
    async with stage.running(workers=2, TASKRUNNER_CONCURRENCY="4") as keepers, stage.load() as load:
        # More than the 8 slots can run at once, so some wait when they are cancelled, and others run.
        ids = [await load.submit(seconds=chance.uniform(0.2, 1.0)) for _ in range(TASKS)]
        loop = asyncio.get_running_loop()
        until = loop.time() + STORM_SECONDS

        async def storm() -> None:
            while loop.time() < until:
                await _one_verb(load, chance, chance.choice(ids))

        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(storm())
        evidence = await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[], [], []]
    answers = Counter((call.verb, call.status) for call in load.calls)
    for met in (("cancel", 200), ("cancel", 202), ("cancel", 409), ("retry", 200), ("retry", 409)):
        assert answers[met], f"the storm never met {met}: {answers}"
    assert max(row.generation for row in evidence.rows) > 2


async def _one_verb(load: Load, chance: random.Random, task_id: str) -> None:
    match chance.choice(("cancel", "retry", "get")):
        case "cancel":
            await load.cancel(task_id)
        case "retry":
            await load.retry(task_id)
        case _:
            await load.get(task_id)
