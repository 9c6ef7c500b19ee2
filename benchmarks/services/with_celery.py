"""FastAPI + Celery + PostgreSQL: plain functions and sessions, as both tutorials have them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Annotated

from celery import Celery
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.services.tables import POSTGRES_URL, REDIS_URL, Base, Task, TaskIn, TaskOut

# The default pool of 15 locks up under 64 callers: all of FastAPI's 40 threads wait for a session that only a thread
# could give back. A connection a thread is the kindest setting.
engine = create_engine(POSTGRES_URL.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=40)
make_session = sessionmaker(engine)
queue = Celery("service", broker=REDIS_URL)
queue.conf.task_ignore_result = True
queue.conf.broker_connection_retry_on_startup = True


@queue.task(name="run")
def run(task_id: str) -> None:
    with make_session() as session:
        task = session.get_one(Task, uuid.UUID(task_id))
        task.start()
        session.commit()
        task.complete({"ok": True})
        session.commit()


def opened() -> Iterator[Session]:
    with make_session() as session:
        yield session


def create_app() -> FastAPI:
    Base.metadata.create_all(engine)
    app = FastAPI()

    @app.post("/tasks", status_code=201, response_model=TaskOut)
    def create(body: TaskIn, session: Annotated[Session, Depends(opened)]) -> Task:
        task = Task(type=body.type, input=body.input)
        session.add(task)
        session.commit()
        session.refresh(task)
        run.delay(str(task.id))
        return task

    @app.get("/tasks/{task_id}", response_model=TaskOut)
    def read(task_id: uuid.UUID, session: Annotated[Session, Depends(opened)]) -> Task:
        task = session.get(Task, task_id)
        if task is None:
            raise HTTPException(404)
        return task

    return app
