"""What it takes to run a task on this worker: its definition, its typed input, its run, and how to call it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel

from shared.domain.definition import TaskDefinition
from shared.domain.run import AI, Mail, StatsRow
from shared.domain.task import ClaimedTask
from shared.queue.files import FileRecords
from shared.queue.stats import window
from shared.queue.stores import Stores
from shared.registry import Registry
from worker.blocking import BlockingRunner
from worker.context import LiveRun
from worker.deadlines import Deadlines
from worker.live_board import LiveBoard
from worker.providers.files import TenantFiles
from worker.providers.paced import PacedAI


class Prepared(NamedTuple):
    """A run about to begin, and the call that is its whole life."""

    call: Callable[[], Coroutine[Any, Any, BaseModel]]
    run: LiveRun


class Handlers:
    """The task types of this worker over its providers."""

    def __init__(
        self,
        stores: Stores,
        registry: Registry,
        worker_id: UUID,
        *,
        ai: AI,
        mail: Mail,
        blocking: BlockingRunner,
        board: LiveBoard,
    ) -> None:
        self.stores = stores
        self.worker_id = worker_id
        self.backoff_scale = stores.settings.retry_backoff_scale
        self.is_stopping = False
        self.board = board
        self._registry = registry
        self._ai = ai
        self._mail = mail
        self._blocking = blocking
        self._records = FileRecords(stores)
        self.deadlines = Deadlines()

    def find(self, task_type: str) -> TaskDefinition | None:
        return self._registry.find(task_type)

    def prepare(self, task: ClaimedTask, on_start: Callable[[], None]) -> Prepared:
        """The call to make and the run it is given; ``on_start`` is called when the handler begins.

        Raises: UnknownTaskType, InputRefused (the row was written by another version of the code).
        """
        definition = self._registry.get(task.type)
        given = self._registry.validate_input(task.type, task.input)
        run = LiveRun(task, self.board, ai=self._ai_for(task), mail=self._mail, files=self._files, stats=self._stats)
        return Prepared(partial(self._call, task, definition, run, given, on_start), run)

    def _ai_for(self, task: ClaimedTask) -> AI:
        """A provider's limits are everybody's; the embedded model has none."""
        return self._ai if self.stores.settings.ai_base_url is None else PacedAI(self._ai, self.stores, task)

    def _files(self, task: ClaimedTask) -> TenantFiles:
        settings, storage = self.stores.settings, self.stores.storage
        return TenantFiles(
            storage,
            self._records,
            task.tenant_id,
            outbound_allow=settings.outbound_allow,
            scratch=storage.scratch,
        )

    def _stats(self, task: ClaimedTask) -> TenantStats:
        return TenantStats(self.stores, task.tenant_id)

    async def _call(
        self,
        task: ClaimedTask,
        definition: TaskDefinition,
        run: LiveRun,
        given: BaseModel,
        on_start: Callable[[], None],
    ) -> BaseModel:
        try:
            if task.is_suspect:
                return await self._blocking.run_alone(definition, run, given, on_start=on_start)
            if definition.pool is not None:
                return await self._blocking.run(definition, run, given, on_start=on_start)
            on_start()
            output: object = await definition.handler(run, given)
        except SystemExit as error:
            # It would end the loop, and with it this worker and every other run on it.
            raise RuntimeError(f"the handler called sys.exit({error.code!r})") from error
        finally:
            if run.has_files:
                await run.files.close()
        # ``isinstance`` asks the metaclass of a model, which takes its time.
        if type(output) is not definition.output_model and not isinstance(output, definition.output_model):
            raise TypeError(f"the handler returned {type(output).__name__}, not {definition.output_model.__name__}")
        return output


class TenantStats:
    """``run.stats``."""

    def __init__(self, stores: Stores, tenant_id: int) -> None:
        self._stores = stores
        self._tenant_id = tenant_id

    async def window(self, since: datetime, until: datetime) -> list[StatsRow]:
        return await window(self._stores, self._tenant_id, since, until)


def lacking_types(registry: Registry, lacks: Mapping[str, str]) -> dict[str, str]:
    """Types this worker can't serve, and why. ``lacks`` gives the reason by requirement."""
    return {d.type: lacks[need] for d in registry for need in d.requires if need in lacks}
