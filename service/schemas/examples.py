"""One example of every JSON answer, for the OpenAPI document. A test holds each to its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.schemas.audit import AUDIT
from service.schemas.keys import KEY, KEY_ISSUED, KEY_ROTATED
from service.schemas.schedules import SCHEDULE
from service.schemas.workflows import WORKFLOW, WORKFLOW_ID, WORKFLOW_SUMMARY

TASK_ID = "019aa6a0-5f1e-7c3a-9d2b-4a6c8e0f1b2d"
BATCH_ID = "019aa6a0-5f1e-7c3a-9d2b-4a6c8e0f1b2e"
WORKER_ID = "019aa69f-0c4d-7b6e-8f90-1a2b3c4d5e6f"
PATH = f"/api/v1/tasks/{TASK_ID}"
CREATED, STARTED, FINISHED = "2026-03-01T12:00:00.000000Z", "2026-03-01T12:00:00.002000Z", "2026-03-01T12:00:00.014000Z"

WAITING: Mapping[str, Any] = {
    "id": TASK_ID,
    "type": "simple_calculation",
    "queue": "demo_tasks",
    "priority": 5,
    "status": "PENDING",
    "input": {"a": 2, "b": 3, "operation": "add"},
    "result": None,
    "error": None,
    "progress": None,
    "attempt": 0,
    "max_attempts": 4,
    "generation": 1,
    "timeout": 10.0,
    "cancel_requested": False,
    "created_at": CREATED,
    "updated_at": CREATED,
    "run_at": CREATED,
    "expires_at": None,
    "started_at": None,
    "finished_at": None,
    "duration": None,
    "worker": None,
    "tags": ["demo"],
    "metadata": {},
    "links": {"self": PATH, "cancel": f"{PATH}/cancel", "retry": f"{PATH}/retry", "events": f"{PATH}/events"},
}
CANCELLED = {**WAITING, "status": "CANCELLED", "updated_at": FINISHED, "finished_at": FINISHED}
RUN = {"attempt": 1, "worker": WORKER_ID, "started_at": STARTED}
RUNNING = {**WAITING, **RUN, "status": "PROCESSING", "updated_at": STARTED}
DONE = {
    **RUNNING,
    "status": "COMPLETED",
    "result": {"operation": "add", "result": 5},
    "progress": {"percent": 100.0, "message": "Added.", "updated_at": FINISHED},
    "updated_at": FINISHED,
    "finished_at": FINISHED,
    "duration": 0.012,
}
ATTEMPT = {**RUN, "generation": 1, "finished_at": FINISHED, "duration": 0.012, "outcome": "completed", "error": None}

OPERATION_ID = "019aa6a0-9c4d-7f6e-a071-8c9d0e1f2031"
OPERATION_PATH = f"/api/v1/operations/{OPERATION_ID}"
OPERATION = {
    "id": OPERATION_ID,
    "action": "retry",
    "state": "done",
    "dry_run": False,
    "filter": {"status": ["FAILED"], "tag": ["invoice"]},
    "total": 3,
    "matched": 3,
    "done": 3,
    "skipped": {},
    "is_lower_bound": False,
    "created_at": CREATED,
    "updated_at": FINISHED,
    "finished_at": FINISHED,
    "links": {"self": OPERATION_PATH, "cancel": f"{OPERATION_PATH}/cancel"},
}
OPERATION_RUNNING = {
    **OPERATION,
    "state": "running",
    "total": 48_200,
    "matched": 1_000,
    "done": 1_000,
    "finished_at": None,
}
BULK = {200: OPERATION, 202: OPERATION_RUNNING}

FILE = {
    "id": "019aa6a0-7a2b-7d4c-8e5f-6a7b8c9d0e1f",
    "name": "sales.csv",
    "size": 26,
    "sha256": "1a89a2c756d8ba8249c9a017c305d57f5c2ed096aa717e8c47fbfa738516d8b8",
    "media_type": "text/csv",
    "created_at": CREATED,
}
DELIVERY = {
    "id": "019aa6a0-8b3c-7e5d-9f60-7b8c9d0e1f20",
    "task": TASK_ID,
    "workflow": None,
    "generation": 1,
    "type": "task.completed",
    "url": "https://example.com/hooks/tasks",
    "state": "delivered",
    "attempt": 1,
    "created_at": FINISHED,
    "due_at": None,
    "finished_at": FINISHED,
    "attempts": [{"at": FINISHED, "status": 204, "error": None, "duration": 0.081}],
}
WEBHOOK_SECRET = {"secret": f"whsec_{'QUJD' * 10}QUI=", "created_at": CREATED, "previous": []}
TASK_TYPE = {
    "name": "simple_calculation",
    "description": "Add, subtract, multiply or divide two numbers.",
    "queue": "demo_tasks",
    "timeout": 10.0,
    "max_attempts": 4,
    "concurrency": None,
    "rate": None,
    "retry": {"kind": "exponential", "base": 120.0, "factor": 2.0, "cap": 3600.0},
    "input_schema": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}},
    "output_schema": {"type": "object", "properties": {"result": {"type": "number"}}},
}
POOL = {"size": 5, "overflow": 5}
WORKER = {
    "id": WORKER_ID,
    "hostname": "worker-1",
    "pid": 4711,
    "state": "running",
    "queues": ["urgent", "ai_processing", "demo_tasks"],
    "concurrency": 20,
    "running": [TASK_ID],
    "heartbeat_age": 0.41,
    "started_at": CREATED,
    "version": "0.1.0",
    "types": ["simple_calculation", "text_generation"],
    "missing": {"image_analysis": "the extra [image] is not installed"},
    "pool": POOL,
}
QUEUE = {
    "name": "demo_tasks",
    "waiting": 3,
    "delayed": 1,
    "running": 2,
    "paused": False,
    "oldest_age": 0.812,
    "throughput": 41.5,
    "is_lower_bound": False,
}
COUNTS = {
    "submitted": 120, "completed": 114, "failed": 2, "cancelled": 1, "retried": 5,
    "rate": 0.033333, "success_share": 0.982759,
}  # fmt: skip
STATS = {
    "window": 3600.0,
    "since": "2026-03-01T11:00:00.000000Z",
    "until": CREATED,
    "total": COUNTS,
    "data": [
        {
            "type": "simple_calculation",
            "queue": "demo_tasks",
            **COUNTS,
            "wait": {"p50": 0.0021, "p95": 0.0068, "p99": 0.0124},
            "run": {"p50": 0.0009, "p95": 0.0031, "p99": 0.0057},
        }
    ],
}
MASKED = "********"
CONFIG = {
    "data": {
        "DATABASE_URL": "postgresql+asyncpg://********@db.internal:5432/taskrunner",
        "TASKRUNNER_SECRET_KEY": MASKED,
        "TASKRUNNER_CONCURRENCY": 20,
        "TASKRUNNER_QUEUES": ["urgent", "ai_processing", "demo_tasks"],
    }
}
NOT_READY = {"status": "unavailable", "components": {"database": {"status": "down"}, "broker": {"status": "ok"}}}
READY = {"status": "ok", "components": {"database": {"status": "ok"}, "broker": {"status": "ok"}}}
HEALTH = {
    "status": "ok",
    "components": {
        "database": {"status": "ok", "version": "17.6", "revision": "0001", "max_connections": 100, "pool": POOL},
        "broker": {"status": "ok", "version": "8.1.4", "eviction_policy": "noeviction"},
    },
    "versions": {"taskrunner": "0.1.0", "python": "3.12.11"},
    "workers": {"seen": 1, "expected": 1},
    "queues": {"demo_tasks": {"waiting": 3, "oldest_age": 0.8, "is_lower_bound": False}},
}

EXAMPLES: Mapping[tuple[str, str], Mapping[int, Any]] = {
    ("POST", "/api/v1/tasks"): {201: WAITING, 200: DONE},
    ("GET", "/api/v1/tasks"): {200: {"data": [DONE], "next_cursor": None}},
    ("POST", "/api/v1/tasks/batch"): {
        201: {"data": [{"id": TASK_ID, "status": "PENDING"}, {"id": BATCH_ID, "status": "SCHEDULED"}]}
    },
    ("GET", "/api/v1/tasks/{task_id}"): {200: DONE},
    ("GET", "/api/v1/tasks/{task_id}/attempts"): {200: {"data": [ATTEMPT]}},
    ("POST", "/api/v1/tasks/{task_id}/cancel"): {200: CANCELLED, 202: {**RUNNING, "cancel_requested": True}},
    ("POST", "/api/v1/tasks/{task_id}/retry"): {200: {**WAITING, "generation": 2}},
    **{
        ("POST", f"/api/v1/tasks/bulk/{action}"): {status: {**view, "action": action} for status, view in BULK.items()}
        for action in ("cancel", "retry", "delete")
    },
    ("GET", "/api/v1/operations"): {200: {"data": [OPERATION], "next_cursor": None}},
    ("GET", "/api/v1/operations/{operation_id}"): {200: OPERATION_RUNNING},
    ("POST", "/api/v1/operations/{operation_id}/cancel"): {200: {**OPERATION_RUNNING, "state": "cancelled"}},
    ("POST", "/api/v1/schedules"): {201: SCHEDULE},
    ("GET", "/api/v1/schedules"): {200: {"data": [SCHEDULE], "next_cursor": None}},
    ("GET", "/api/v1/schedules/{schedule_id}"): {200: SCHEDULE},
    ("PATCH", "/api/v1/schedules/{schedule_id}"): {200: {**SCHEDULE, "enabled": False, "next_run": None}},
    ("POST", "/api/v1/schedules/{schedule_id}/run"): {201: WAITING, 200: RUNNING},
    ("GET", "/api/v1/tasks/{task_id}/deliveries"): {200: {"data": [DELIVERY]}},
    ("GET", "/api/v1/deliveries"): {200: {"data": [DELIVERY], "next_cursor": None}},
    ("POST", "/api/v1/deliveries/{delivery_id}/replay"): {
        200: {**DELIVERY, "state": "waiting", "due_at": FINISHED, "finished_at": None}
    },
    ("GET", "/api/v1/webhooks/secret"): {200: WEBHOOK_SECRET},
    ("POST", "/api/v1/webhooks/secret/rotate"): {
        200: {**WEBHOOK_SECRET, "previous": [{"secret": f"whsec_{'REVG' * 10}REU=", "expires_at": FINISHED}]}
    },
    ("POST", "/api/v1/workflows"): {201: WORKFLOW},
    ("GET", "/api/v1/workflows"): {200: {"data": [WORKFLOW_SUMMARY], "next_cursor": None}},
    ("GET", "/api/v1/workflows/{workflow_id}"): {200: WORKFLOW},
    ("POST", "/api/v1/workflows/{workflow_id}/cancel"): {
        200: {**WORKFLOW, "cancel_requested": True},
        202: {**WORKFLOW, "cancel_requested": True},
    },
    ("POST", "/api/v1/workflows/{workflow_id}/retry"): {200: {**WORKFLOW, "generation": 2}},
    ("GET", "/api/v1/workflows/{workflow_id}/deliveries"): {
        200: {"data": [{**DELIVERY, "task": None, "workflow": WORKFLOW_ID, "type": "workflow.completed"}]}
    },
    ("POST", "/api/v1/files"): {201: FILE},
    ("GET", "/api/v1/files/{file_id}"): {200: FILE},
    ("GET", "/api/v1/task-types"): {200: {"data": [TASK_TYPE]}},
    ("GET", "/api/v1/workers"): {200: {"data": [WORKER]}},
    ("POST", "/api/v1/workers/{worker_id}/drain"): {202: {**WORKER, "state": "draining"}},
    ("GET", "/api/v1/queues"): {200: {"data": [QUEUE]}},
    ("POST", "/api/v1/queues/{queue}/pause"): {200: {**QUEUE, "paused": True}},
    ("POST", "/api/v1/queues/{queue}/resume"): {200: QUEUE},
    ("DELETE", "/api/v1/queues/{queue}/tasks"): {
        200: {"queue": "demo_tasks", "dry_run": False, "matched": 4, "cancelled": 4, "has_more": False}
    },
    ("POST", "/api/v1/keys"): {201: KEY_ISSUED},
    ("GET", "/api/v1/keys"): {200: {"data": [KEY]}},
    ("POST", "/api/v1/keys/{key_id}/rotate"): {201: KEY_ROTATED},
    ("GET", "/api/v1/audit"): {200: {"data": [AUDIT], "next_cursor": None}},
    ("GET", "/api/v1/stats"): {200: STATS},
    ("GET", "/api/v1/stats/throughput"): {200: {"step": 60, "data": [{"since": CREATED, "ended": 120, "rate": 2.0}]}},
    ("GET", "/api/v1/config"): {200: CONFIG},
    ("GET", "/health/live"): {200: {"status": "ok"}},
    ("GET", "/health/ready"): {
        200: READY,
        503: NOT_READY,
    },
    ("GET", "/health"): {200: HEALTH, 503: NOT_READY},
}
