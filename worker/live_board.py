"""What the runs of a worker say, gathered and written together. Redis away: it is dropped, and nobody waits."""

from __future__ import annotations

import asyncio

from shared.broker.keys import output_key, progress_key
from shared.broker.output import Said, write_said
from shared.domain.task import ClaimedTask, Progress
from shared.queue.stores import Stores

FLUSH_PAUSE_SECONDS = 0.02
"""Between two flushes: the first change of a run goes out at once, a storm of them 50 times a second."""
OUTPUT_LIMIT = 2_097_152
"""Characters that one run can stream: twice what a result may hold. What is beyond is dropped, and readers are told."""


class Outlet:
    """What one run says. Pieces are numbered whether or not they arrive, so a reader sees what is missing."""

    def __init__(self, board: LiveBoard, task: ClaimedTask) -> None:
        self._board = board
        self._task_id = task.id
        self._output_key = output_key(task.id, task.started_at)
        self._progress_key = progress_key(task.id, task.generation, task.attempt)
        self._output: list[str] = []
        self._progress: Progress | None = None
        self._left = OUTPUT_LIMIT
        self._is_cut = False
        self._piece = self._note = 0

    def progress(self, progress: Progress) -> None:
        """The newest wins."""
        self._progress = progress
        self._board.changed(self)

    def output(self, delta: str) -> None:
        """Every piece is kept, in order."""
        if len(delta) <= self._left:
            self._left -= len(delta)
            self._output.append(delta)
            self._board.changed(self)
        else:
            self._left = -1  # an empty piece would be none: from now on nothing fits

    def taken(self) -> Said:
        """What has gathered; it is now the caller's to write."""
        output, self._output = "".join(self._output), []
        progress, self._progress = self._progress, None
        if output:
            self._piece, self._note = self._piece + 1, 0
        elif self._left < 0 and not self._is_cut:
            self._is_cut = True
            self._piece, self._note = self._piece + 1, 0  # a piece that nobody will see: the next note shows it
        if progress is not None:
            self._note += 1
        return Said(self._task_id, self._output_key, self._progress_key, self._piece, self._note, output, progress)


class LiveBoard:
    """The outlets of all runs of a worker, flushed together."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._changed: dict[Outlet, None] = {}
        self._has_changed = asyncio.Event()
        self._flushing = asyncio.Lock()

    def outlet(self, task: ClaimedTask) -> Outlet:
        return Outlet(self, task)

    def changed(self, outlet: Outlet) -> None:
        self._changed[outlet] = None
        self._has_changed.set()

    def is_flushed(self) -> bool:
        """Whether everything that was said is written, or given up."""
        return not self._changed and not self._flushing.locked()

    async def flush_for_ever(self) -> None:
        """Natural batching: each flush carries what gathered during the last one."""
        while True:
            await self._has_changed.wait()
            await self.flush()
            await asyncio.sleep(FLUSH_PAUSE_SECONDS)

    async def flush(self) -> None:
        """Write what was said until now; returns when that is written, or given up."""
        async with self._flushing:
            self._has_changed.clear()
            changed, self._changed = self._changed, {}
            if changed:
                said = [outlet.taken() for outlet in changed]
                await write_said(self._stores.broker, said, self._stores.settings.result_ttl)
