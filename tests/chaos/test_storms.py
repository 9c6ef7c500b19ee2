"""Cancels, retries, pauses and purges race the claims and ends of runs: every 2xx a client got is true at the end."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass

import pytest

from tests.chaos.conftest import Stage
from tests.support.load import Load

QUEUE = "demo_tasks"
EXPECTED = {
    **dict.fromkeys([("cancel", 200), ("cancel", 202), ("cancel", 409)], 1),
    **dict.fromkeys([("retry", 200), ("retry", 409), ("purge", 200)], 1),
    **dict.fromkeys([("pause", 200), ("resume", 200)], 3),
}


@dataclass(frozen=True)
class Storm:
    """How hard and how long, at least: until it has met every answer. ``purges``: how many verbs lie between two."""

    seconds: float
    tasks: int
    clients: int
    gates: int
    workers: int
    purges: int


SHORT = Storm(seconds=3, tasks=40, clients=6, gates=2, workers=2, purges=60)
LONG = Storm(seconds=60, tasks=150, clients=16, gates=4, workers=3, purges=400)
SUBMITS = 10
"""How many verbs of a client lie between two submits, about: what completed is out of the storm's reach."""
PATIENCE_SECONDS = 60.0


async def test_a_storm_leaves_every_answer_true(stage: Stage) -> None:
    await raged(stage, SHORT)


@pytest.mark.chaos
async def test_a_long_storm_leaves_every_answer_true(stage: Stage) -> None:
    await raged(stage, LONG)


async def raged(stage: Stage, storm: Storm) -> None:
    async with stage.running(storm.workers, TASKRUNNER_CONCURRENCY="4") as keepers, stage.load() as load:
        raging = Raging(load, storm)
        await raging.begin()
        async with asyncio.TaskGroup() as group:
            for _ in range(storm.clients):
                group.create_task(raging.client())
            for _ in range(storm.gates):
                group.create_task(raging.gate())
        await load.resume(QUEUE)
        evidence = await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[]] * (storm.workers + 1)
    assert raging.missing() == []
    assert {call.status for call in load.calls if call.verb in {"pause", "resume", "purge"}} == {200}
    assert max(row.generation for row in evidence.rows) >= 2
    first = min(call.answered_at for call in load.calls if call.verb == "pause") + evidence.offset
    assert any(start > first for row in evidence.rows for start in row.starts), "runs began between its pauses"


class Raging:
    """A storm under way."""

    def __init__(self, load: Load, storm: Storm) -> None:
        self._load = load
        self._storm = storm
        self._chance = random.Random(20)  # noqa: S311 - picks victims, keeps no secret
        self._ids: list[str] = []
        self._began_at = time.monotonic()

    async def begin(self) -> None:
        """Wait with more tasks than the slots can run at once."""
        await self._load.pause(QUEUE)
        for _ in range(self._storm.tasks):
            await self._submit()
        self._began_at = time.monotonic()

    async def client(self) -> None:
        """Somebody who does anything to any of the newer tasks."""
        load, chance = self._load, self._chance
        while not self._is_over():
            if not chance.randrange(self._storm.purges):
                await load.purge(QUEUE)
            if not chance.randrange(SUBMITS):
                await self._submit()
            verb = chance.choice((load.cancel, load.retry, load.get))
            await verb(chance.choice(self._ids[-self._storm.tasks :]))

    async def gate(self) -> None:
        """Somebody who pauses and resumes, whatever the others do."""
        while not self._is_over():
            await self._load.pause(QUEUE)
            await asyncio.sleep(self._chance.uniform(0, 0.3))
            await self._load.resume(QUEUE)
            await asyncio.sleep(self._chance.uniform(0, 0.5))

    async def _submit(self) -> None:
        self._ids.append(await self._load.submit(seconds=self._chance.uniform(0.05, 0.6)))

    def missing(self) -> list[tuple[str, int]]:
        """The answers it has not met yet."""
        answers = Counter((call.verb, call.status) for call in self._load.calls)
        return [met for met, least in EXPECTED.items() if answers[met] < least]

    def _is_over(self) -> bool:
        seconds = time.monotonic() - self._began_at
        return seconds > PATIENCE_SECONDS + self._storm.seconds or (
            seconds > self._storm.seconds and not self.missing()
        )
