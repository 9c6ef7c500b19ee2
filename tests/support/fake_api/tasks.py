"""Tasks of the stand-in: submitted, read, listed, cancelled, retried; each look brings one a step further."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.fake_api.documents import NOW
from tests.support.fake_api.wire import V1, Answer, Received, Route, problem

if TYPE_CHECKING:
    from tests.support.fake_api.server import FakeApi


def _submit(api: FakeApi, got: Received) -> Answer:
    task = api.add(got.json)
    if "prefer" in got.headers:
        return 200, {}, api.look(task["id"], to_the_end=True)
    return 201, {"Retry-After": "1"}, dict(task)


def _batch(api: FakeApi, got: Received) -> Answer:
    return 201, {}, {"data": [{"id": t["id"], "status": t["status"]} for t in map(api.add, got.json["tasks"])]}


def _get(api: FakeApi, got: Received, task_id: str) -> Answer:
    return 200, {}, api.look(task_id, to_the_end=int(got.query.get("wait", ["0"])[0]) > 0)


def _events(api: FakeApi, got: Received, task_id: str) -> Answer:
    """Every change its looks bring, at once."""
    frames: list[bytes] = []

    def tell(name: str, data: dict[str, Any]) -> None:
        frames.append(f"id: 1-{len(frames) + 1}-0\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode())

    task = api.tasks[task_id]
    while True:
        tell("status", {"status": task["status"], "attempt": task["attempt"], "generation": 1, "at": NOW})
        if task["progress"] and task["status"] == "PROCESSING":
            tell("progress", task["progress"])
        if not api._ahead[task_id]:
            break
        task = api.look(task_id, to_the_end=False)
    if task["status"] in {"COMPLETED", "FAILED", "CANCELLED"}:
        tell("end", task)
    return 200, {"Content-Type": "text/event-stream"}, b"".join(frames)


def _list(api: FakeApi, got: Received) -> Answer:
    def allows(task: dict[str, Any]) -> bool:
        return all(task[name] in got.query.get(name, [task[name]]) for name in ("status", "type", "queue"))

    start, limit = int(got.query.get("cursor", ["0"])[0]), int(got.query["limit"][0])
    rows = [task for task in reversed(api.tasks.values()) if allows(task)]
    more = str(start + limit) if start + limit < len(rows) else None
    return 200, {}, {"data": rows[start : start + limit], "next_cursor": more}


def _attempts(api: FakeApi, got: Received, task_id: str) -> Answer:
    return (
        200,
        {},
        {"data": [{"attempt": 1, "generation": 1, "started_at": NOW, "outcome": "completed", "error": None}]},
    )


def _cancel(api: FakeApi, got: Received, task_id: str) -> Answer:
    task = api.tasks[task_id]
    if task["status"] in {"COMPLETED", "FAILED", "CANCELLED"}:
        return 409, {}, problem(409, "conflict", f"The task is {task['status']}.")
    running = task["status"] == "PROCESSING"
    task.update({"cancel_requested": True} if running else {"status": "CANCELLED"})
    return (202 if running else 200), {}, task


def _retry(api: FakeApi, got: Received, task_id: str) -> Answer:
    task = api.tasks[task_id]
    if task["status"] not in {"FAILED", "CANCELLED"}:
        return 409, {}, problem(409, "conflict", f"The task is {task['status']}.")
    task.update(status="PENDING", generation=task["generation"] + 1, error=None)
    return 200, {}, task


ROUTES: list[Route] = [
    ("POST", f"{V1}/tasks", _submit),
    ("POST", f"{V1}/tasks/batch", _batch),
    ("GET", f"{V1}/tasks", _list),
    ("GET", f"{V1}/tasks/([^/]+)", _get),
    ("GET", f"{V1}/tasks/([^/]+)/attempts", _attempts),
    ("GET", f"{V1}/tasks/([^/]+)/events", _events),
    ("POST", f"{V1}/tasks/([^/]+)/cancel", _cancel),
    ("POST", f"{V1}/tasks/([^/]+)/retry", _retry),
]
