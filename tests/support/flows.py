"""What tests of workflows ask: how one stands, and what the task of a node came to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.domain.states import Status
from shared.domain.task import Task
from shared.queue.lookup import get_task
from shared.queue.stores import Stores
from tests.support.scenes.workflows import shown, task_of
from tests.support.verbs import TENANT

CHAIN = {"a": {}, "b": {"after": ["a"]}, "c": {"after": ["b"]}}
URL = "https://hooks.example/"


async def status_of(stores: Stores, flow: UUID) -> Status:
    return (await shown(stores, flow)).workflow.status


async def task(stores: Stores, flow: UUID, name: str) -> Task:
    return await get_task(stores, TENANT, await task_of(stores, flow, name))


async def value(stores: Stores, statement: str, **given: object) -> Any:
    async with stores.db.autocommit() as session:
        return (await session.execute(text(statement), given)).scalar_one()
