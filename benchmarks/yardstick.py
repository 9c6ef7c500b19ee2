"""What FastAPI costs when it does nothing: our paths and body models, no store, no middleware.

Served as ours is, by the same uvicorn with the same options, so the ratio is what the service itself costs.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import FastAPI

from service.schemas.tasks import BatchRequest, TaskRequest


def create_app() -> FastAPI:
    app = FastAPI()

    @app.post("/api/v1/tasks", status_code=201)
    async def accept(body: TaskRequest) -> dict[str, str | None]:
        return {"type": body.type}

    @app.post("/api/v1/tasks/batch", status_code=201)
    async def accept_batch(body: BatchRequest) -> dict[str, int]:
        return {"accepted": len(body.tasks)}

    @app.get("/api/v1/tasks/{task_id}")
    async def read(task_id: UUID) -> dict[str, UUID]:
        return {"id": task_id}

    return app
