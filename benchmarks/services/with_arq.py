"""FastAPI + arq + PostgreSQL: coroutines and asynchronous sessions, as both tutorials have them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks.services.tables import POSTGRES_URL, REDIS_URL, Base, Task, TaskIn, TaskOut

engine = create_async_engine(POSTGRES_URL.replace("postgresql://", "postgresql+asyncpg://", 1))
make_session = async_sessionmaker(engine, expire_on_commit=False)
redis_settings = RedisSettings.from_dsn(REDIS_URL)


async def run(_context: dict[Any, Any], task_id: str) -> None:
    async with make_session() as session:
        task = await session.get_one(Task, uuid.UUID(task_id))
        task.start()
        await session.commit()
        task.complete({"ok": True})
        await session.commit()


class WorkerSettings:
    functions = (run,)
    redis_settings = redis_settings
    max_jobs = 10  # its default; a session each, and the engine's pool holds 15


async def opened() -> AsyncIterator[AsyncSession]:
    async with make_session() as session:
        yield session


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    app.state.queue = await create_pool(redis_settings)
    yield
    await app.state.queue.aclose()
    await engine.dispose()


def create_app() -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.post("/tasks", status_code=201, response_model=TaskOut)
    async def create(body: TaskIn, request: Request, session: Annotated[AsyncSession, Depends(opened)]) -> Task:
        task = Task(type=body.type, input=body.input)
        session.add(task)
        await session.commit()
        await session.refresh(task)
        await request.app.state.queue.enqueue_job("run", str(task.id))
        return task

    @app.get("/tasks/{task_id}", response_model=TaskOut)
    async def read(task_id: uuid.UUID, session: Annotated[AsyncSession, Depends(opened)]) -> Task:
        task = await session.get(Task, task_id)
        if task is None:
            raise HTTPException(404)
        return task

    return app
