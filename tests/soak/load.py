"""A mixed load over both APIs: whatever a client may do, drawn from a seed; the history is kept for the checker."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.facts import Call
from tests.support.load import Load

RATE = 15.0
"""Actions a second, on average; some submit many tasks."""
MOST_UNDER_WAY = 64
RECENT = 200


class Mix(Load):
    """``submitted`` counts accepted tasks, ``troubles`` names what no client should have been told."""

    def __init__(self, urls: Sequence[str], ledger: Path, seed: int) -> None:
        super().__init__(urls[0], ledger)
        self.troubles: list[str] = []
        self._urls = itertools.cycle(urls)
        self._chance = random.Random(seed)  # noqa: S311 - a repeatable mix, not a secret
        self._recent: deque[tuple[str, dict[str, Any]]] = deque(maxlen=RECENT)
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def submitted(self) -> int:
        return len(self.ids)

    async def run(self, stop: asyncio.Event) -> None:
        """Act until ``stop``; returns when every answer is in."""
        actions, weights = zip(*self._actions(), strict=True)
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                if len(self._under_way) >= MOST_UNDER_WAY:
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                action = self._chance.choices(actions, weights)[0]
                doing = group.create_task(self._done(action()))
                self._under_way.add(doing)
                doing.add_done_callback(self._under_way.discard)
                await asyncio.sleep(self._chance.expovariate(RATE))

    async def ask(self, verb: str, method: str, path: str, **given: Any) -> Call:
        """One request to one API after the other: the next try goes to the other one."""
        return await super().ask(verb, method, f"{next(self._urls)}/api/v1{path}", **given)

    def _actions(self) -> list[tuple[Callable[[], Awaitable[object]], float]]:
        return [
            (lambda: self._task_of("effect", seconds=self._up_to(0.4)), 30),
            (lambda: self._task_of("effect"), 20),
            (lambda: self._task_of("soak_progress", seconds=self._up_to(1.5)), 12),
            (lambda: self._task_of("soak_flaky", failures=self._chance.randint(1, 5)), 10),
            (lambda: self._task_of("soak_thread", seconds=self._up_to(0.5)), 5),
            (lambda: self._task_of("soak_process", seconds=self._up_to(0.5)), 5),
            (lambda: self._task_of("effect", options={"delay": self._up_to(5.0)}), 6),
            (lambda: self._task_of("effect", options={"expires_at": _in(self._up_to(1.0)), "priority": 9}), 5),
            (lambda: self._task_of("effect", seconds=12.0), 1),  # longer than a lease
            (self._batch, 3),
            (self._again, 6),
            (self._looked_at, 12),
            (self._cancelled, 8),
            (self._retried, 4),
        ]

    async def _done(self, action: Awaitable[object]) -> None:
        try:
            await action
        except AssertionError as error:  # a refusal, or patience at its end: evidence, not our end
            self.troubles.append(str(error)[:500])

    async def _task_of(self, type_: str, *, options: dict[str, Any] | None = None, **given: Any) -> str:
        key = self._new_key()
        body = self._body(type_, key, options or {}, given)
        call = await self.accepted("submit", "/tasks", key, body)
        self._recent.append((key, body))
        self.ids.append(str(call.body["id"]))
        return self.ids[-1]

    async def _batch(self) -> None:
        count = self._chance.randint(5, 60)
        tasks = [self._body("effect", self._new_key(), {}, {}) for _ in range(count)]
        call = await self.accepted("batch", "/tasks/batch", self._new_key(), {"tasks": tasks})
        made = [str(task["id"]) for task in call.body["data"]]
        self.calls += [Call("submit", call.asked_at, call.answered_at, 201, {"id": task_id}) for task_id in made]
        self.ids += made

    async def _again(self) -> None:
        """What was submitted already, under its key: the checker sees whether that made a task."""
        if self._recent:
            key, body = self._chance.choice(self._recent)
            await self.accepted("submit", "/tasks", key, body)

    async def _cancelled(self) -> None:
        """Waiting, running or ended by then; and, half the time, asked back."""
        options = {"delay": self._up_to(2.0)} if self._chance.random() < 0.5 else {}
        task_id = await self._task_of("effect", seconds=self._up_to(3.0), options=options)
        await asyncio.sleep(self._up_to(2.0))
        await self._asked(self.cancel, task_id)
        if self._chance.random() < 0.5:
            await asyncio.sleep(self._up_to(1.0))
            await self._asked(self.retry, task_id)

    async def _looked_at(self) -> None:
        if self.ids:
            await self._asked(self.get, self._chance.choice(self.ids[-RECENT:]))

    async def _retried(self) -> None:
        if self.ids:
            await self._asked(self.retry, self._chance.choice(self.ids[-RECENT:]))

    async def _asked(self, verb: Callable[[str], Awaitable[Call]], task_id: str) -> None:
        call = await verb(task_id)
        assert call.status not in {400, 404, 422}, f"told of an accepted task: {call}"

    def _new_key(self) -> str:
        self._next += 1
        return f"key-{self._next}"

    def _body(self, type_: str, key: str, options: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        return {"type": type_, "input": {"ledger": str(self._ledger), "key": key, **given}, **options}

    def _up_to(self, most: float) -> float:
        return round(self._chance.uniform(0.0, most), 3)


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
