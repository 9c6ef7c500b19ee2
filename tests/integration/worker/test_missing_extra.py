"""A worker that runs what it lacks the extra for: the task FAILS at once, and its error names the extra."""

from __future__ import annotations

import asyncio
import importlib.util
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.ids import new_id
from shared.domain.states import Status
from shared.domain.task import NewTask
from shared.queue.claim import claim_hinted
from shared.queue.lookup import get_task
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.registry import discover
from tests.integration.worker.conftest import TENANT
from tests.support.stores import registered
from worker.engine.slots import Slots
from worker.executions import Executions
from worker.handlers import Handlers
from worker.live_board import LiveBoard
from worker.providers.embedded_model import EmbeddedModel


async def test_a_task_run_without_its_extra_fails_and_names_it(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "xllamacpp" else find(name))
    who = replace(await registered(stores), types=("text_generation",))
    new = NewTask(new_id(), "text_generation", {"prompt": "Hello"}, "ai_processing", 5, 60.0, 4)
    await submit(stores, TENANT, [new])
    [run] = await claim_hinted(stores, who, [new.id])
    nothing: Any = None
    handlers = Handlers(
        stores, discover(), who.worker_id, ai=EmbeddedModel(), mail=nothing, blocking=nothing, board=LiveBoard(stores)
    )
    slots = Slots(1)
    slots.take()
    executions = Executions(handlers, slots)
    executions.start(run)
    await executions.drain(10, asyncio.Event())
    failed = await get_task(stores, TENANT, new.id)
    assert failed.error is not None
    assert (failed.status, failed.attempt, failed.error.retryable) == (Status.FAILED, 1, False)
    assert "local-ai" in failed.error.message
