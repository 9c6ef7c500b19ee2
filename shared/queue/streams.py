"""The events of one task as a stream: its states from PostgreSQL, what its runs say from Redis, in one order.

Redis away, flushed or late: the states come all the same, and what was said and is lost is told as a ``gap``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.broker.keys import output_key
from shared.broker.output import OUTPUT, PROGRESS
from shared.db.statements import lookup as statements
from shared.domain.errors import NotFound, StoreUnavailable
from shared.domain.live import Event, Place, Step, steps_of
from shared.domain.task import Task
from shared.domain.views import error_view, task_view, to_json
from shared.queue.live import Entries, Watcher
from shared.queue.stores import Stores

OUTAGE_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """A task and its steps, read together."""

    task: Task
    steps: list[Step]

    @property
    def end(self) -> Place:
        """The place of the ``end`` event, once there is one."""
        return self.steps[-1].place.at(1)


class TaskStream:
    """One reader of one task's events."""

    def __init__(self, stores: Stores, tenant_id: int, task_id: UUID, after: Place, *, with_traceback: bool) -> None:
        self._stores = stores
        self._owned = (tenant_id, task_id)
        self._with_traceback = with_traceback
        self._place = after

    async def has_more(self) -> bool:
        """Whether anything will ever follow. Raises: NotFound, StoreUnavailable."""
        seen = await self._look()
        return not seen.task.status.is_final or self._place < seen.end

    async def events(self) -> AsyncGenerator[Event, None]:
        """What follows, until the end of the task or of this process."""
        live = self._stores.live
        with live.watching(self._owned[1]) as watcher:
            while not live.is_ending and (seen := await self._look_again(watcher)) is not None:
                for step in seen.steps:
                    async for event in self._of_step(step, is_over=step is not seen.steps[-1]):
                        yield event
                if seen.task.status.is_final:
                    if self._place < seen.end:
                        yield Event(str(seen.end), "end", task_view(seen.task, with_traceback=self._with_traceback))
                    return
                async for event in self._until_moved(watcher, seen.steps[-1]):
                    yield event

    async def _of_step(self, step: Step, *, is_over: bool = False) -> AsyncGenerator[Event, None]:
        """That it began, and what was said in it until now; nothing of what the reader knows."""
        if self._place < step.place:
            self._place = step.place
            yield Event(str(step.place), "status", _status(step))
        if step.run_started_at is not None and self._place.is_in(step.place):
            async for event in self._said(output_key(self._owned[1], step.run_started_at), is_over=is_over):
                yield event

    async def _until_moved(self, watcher: Watcher, step: Step) -> AsyncGenerator[Event, None]:
        while not watcher.has_moved:
            await watcher.wait()
            # A run has spoken that is not known here: its claim was told to nobody, or the word was lost.
            watcher.has_moved |= watcher.has_said and step.run_started_at is None
            async for event in self._of_step(step):
                yield event

    async def _said(self, key: str, *, is_over: bool) -> AsyncGenerator[Event, None]:
        while entries := await self._stores.live.read(key, self._place.said):
            for reached, event in shown(self._place, entries):
                self._place = reached
                yield event
        if entries is None and is_over:
            yield Event("", "gap", {"missing": None})  # Redis is away, and the next step will not wait for it

    async def _look_again(self, watcher: Watcher) -> _Seen | None:
        """The task as it stands; None: it is gone. An outage of the database is waited for."""
        while not self._stores.live.is_ending:
            watcher.forget()
            try:
                seen = await self._look()
            except StoreUnavailable:
                await asyncio.sleep(OUTAGE_PAUSE_SECONDS)
            except NotFound:
                return None
            else:
                watcher.version = seen.task.version
                return seen
        return None

    async def _look(self) -> _Seen:
        task = await self._stores.batches.lookups.add(self._owned)
        if task is None:
            raise NotFound
        async with self._stores.db.autocommit() as session:
            return _Seen(task, steps_of(task, await statements.past_runs(session, task)))


def shown(place: Place, entries: Entries) -> Iterator[tuple[Place, Event]]:
    """``entries`` behind ``place`` as events, each with its place.

    Pieces of output that follow each other come as one, and of progress only the newest; missing pieces are told.
    """
    newest = max((entry_id for entry_id, fields in entries if PROGRESS in fields), default=None)
    pieces: list[str] = []
    for (piece, note), fields in entries:
        missing = piece - place.piece - (OUTPUT in fields)
        if pieces and (missing or (piece, note) == newest):
            yield place, _output(place, pieces)
            pieces = []
        if missing:
            before = place.at(place.piece + missing)
            yield before, Event(str(before), "gap", {"missing": missing})
        place = place.at(piece, note)
        if OUTPUT in fields:
            pieces.append(fields[OUTPUT].decode())
        elif (piece, note) == newest:
            yield place, Event(str(place), "progress", fields[PROGRESS])
    if pieces:
        yield place, _output(place, pieces)


def _output(place: Place, pieces: list[str]) -> Event:
    return Event(str(place), "output", to_json({"delta": "".join(pieces)}))


def _status(step: Step) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "status": step.status,
        "attempt": step.attempt,
        "generation": step.place.generation,
        "at": step.since,
    }
    if step.ended is not None:
        shown |= {"outcome": step.ended.outcome, "error": error_view(step.ended.error, with_traceback=False)}
    return shown
