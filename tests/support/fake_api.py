"""A loopback stand-in for the service: real HTTP, tasks that advance one step per look, refusals on order.

It holds the outside contract only, so the client and its commands are tested without stores or workers.
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email import message_from_bytes
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, str], Any]
NOW = "2026-01-02T03:04:05Z"
TYPES: dict[str, dict[str, Any]] = {
    "simple_calculation": {"operation": "add", "result": 42},
    "text_generation": {"text": "Hello there.", "model": "tiny", "finish_reason": "stop", "usage": {"total_tokens": 9}},
    "image_analysis": {"format": "PNG", "width": 96, "height": 64},
    "data_processing": {"columns": ["city", "sales_sum"], "row_count": 3, "rows": []},
    "send_notification_email": {"message_id": "<1@taskrunner>", "accepted": ["demo@localhost"]},
    "process_file_upload": {"name": "demo.zip", "size": 3, "sha256": "", "media_type": "application/zip"},
    "generate_report": {"files": {"html": "f1", "csv": "f2"}, "rows": 4},
    "unreliable_task": {"attempts": 1},
}
HEALTH = {
    "status": "ok",
    "components": {
        "database": {"status": "ok", "max_connections": 200, "pool": {"size": 20, "overflow": 30}},
        "broker": {"status": "ok", "eviction_policy": "noeviction"},
    },
    "versions": {"taskrunner": version("async-ai-task-runner"), "python": "3.12.1"},
    "workers": {"seen": 1, "expected": None},
    "queues": {"demo_tasks": {"waiting": 0, "oldest_age": 0.0}},
}
BLANK: dict[str, Any] = {
    "priority": 5,
    "status": "PENDING",
    "result": None,
    "error": None,
    "progress": None,
    "attempt": 0,
    "max_attempts": 4,
    "generation": 1,
    "timeout": 300.0,
    "cancel_requested": False,
    "created_at": NOW,
    "started_at": None,
    "finished_at": None,
    "duration": None,
    "metadata": {},
}
WORKER = {
    "id": "w1",
    "hostname": "box",
    "pid": 7,
    "state": "running",
    "queues": ["urgent", "ai_processing", "demo_tasks"],
    "concurrency": 20,
    "running": [],
    "types": sorted(TYPES),
    "missing": {},
    "heartbeat_age": 0.4,
    "started_at": NOW,
    "version": "0.1.0",
}


QUEUES = ("urgent", "ai_processing", "demo_tasks")
QUEUE = {
    "waiting": 3,
    "delayed": 1,
    "running": 2,
    "paused": False,
    "oldest_age": 1.25,
    "throughput": 41.5,
    "is_lower_bound": False,
}


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Order:
    """What the next requests to a path meet instead of the usual answer."""

    method: str
    path: str
    times: int
    answer: Answer | None
    """None: the request takes effect, and the connection closes without an answer."""


def problem(status: int, code: str, detail: str = "", **more: Any) -> dict[str, Any]:
    """A problem document."""
    return {
        "type": "about:blank",
        "title": code.capitalize(),
        "status": status,
        "detail": detail or code,
        "code": code,
        **more,
    }


@dataclass
class FakeApi:
    """The server, its state, and the requests it saw. A context manager."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, tuple[dict[str, Any], bytes]] = field(default_factory=dict)
    requests: list[Received] = field(default_factory=list)
    steps: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Task type → the changes its looks bring, last one kept; absent: to COMPLETED by way of 50 %."""
    health: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(HEALTH)))
    workers: list[dict[str, Any]] = field(default_factory=lambda: [dict(WORKER)])
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    queues: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: {**QUEUE, "name": name} for name in QUEUES}
    )
    _orders: list[Order] = field(default_factory=list)
    _ahead: dict[str, deque[dict[str, Any]]] = field(default_factory=dict)
    _by_key: dict[str, Answer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def refuse(
        self, method: str, path: str, status: int, code: str = "refused", *, times: int = 10**6, **more: Any
    ) -> None:
        """Answer the next ``times`` requests with a problem; ``retry_after`` becomes the header."""
        headers = {"Retry-After": str(more.pop("retry_after"))} if "retry_after" in more else {}
        self._orders.append(Order(method, path, times, (status, headers, problem(status, code, **more))))

    def answer(self, method: str, path: str, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """Answer every request with ``body``: bytes as they are, else as JSON."""
        self._orders.append(Order(method, path, 10**6, (status, headers or {}, body)))

    def answer_once(self, method: str, path: str, status: int, body: bytes) -> None:
        """Answer the next request with ``body``."""
        self._orders.append(Order(method, path, 1, (status, {}, body)))

    def lose_reply(self, method: str, path: str, times: int = 1) -> None:
        """Let the next request take effect, and hang up."""
        self._orders.append(Order(method, path, times, None))

    def seen(self, method: str, path: str) -> list[Received]:
        return [r for r in self.requests if r.method == method and re.fullmatch(path, r.path)]

    def handle(self, got: Received) -> Answer | None:
        """The answer; None closes the connection."""
        with self._lock:
            self.requests.append(got)
            order = next((o for o in self._orders if o.times and (o.method, o.path) == (got.method, got.path)), None)
            if order:
                order.times -= 1
                if order.answer is not None:
                    return order.answer
            key = got.headers.get("idempotency-key")
            answer = self._by_key.get(key or "") or self._route(got)
            if key:
                self._by_key[key] = answer
            return None if order else answer

    def _route(self, got: Received) -> Answer:
        for method, path, act in ROUTES:
            match = re.fullmatch(path, got.path)
            is_known = not match or not path.startswith(f"{V1}/tasks/(") or match[1] in self.tasks
            if match and method == got.method and is_known:
                return act(self, got, *match.groups())
        return 404, {}, problem(404, "not_found", "There is nothing here, or it is not yours.")

    def add(self, body: dict[str, Any]) -> dict[str, Any]:
        """A task, accepted."""
        task_id = f"0190-{len(self.tasks):04}"
        type_ = body.get("type", "text_generation")
        task = {**BLANK, "id": task_id, "type": type_, "input": body.get("input", {}), "tags": body.get("tags", [])}
        task["queue"] = body.get("queue") or "demo_tasks"
        half = {
            "status": "PROCESSING",
            "attempt": 1,
            "progress": {"percent": 50.0, "message": "half", "updated_at": NOW},
        }
        done = {"status": "COMPLETED", "result": self._result(type_, task["input"]), "duration": 0.25, "progress": None}
        self.tasks[task_id] = task
        self._ahead[task_id] = deque(self.steps.get(type_, [half, done]))
        return task

    def look(self, task_id: str, *, to_the_end: bool) -> dict[str, Any]:
        task, ahead = self.tasks[task_id], self._ahead[task_id]
        while ahead:
            task.update(ahead.popleft())
            if not to_the_end:
                break
        return task

    def _result(self, type_: str, given: dict[str, Any]) -> Any:
        if type_ == "process_file_upload" and given.get("file_id") in self.files:
            info, _ = self.files[given["file_id"]]
            return {**TYPES[type_], "name": info["name"], "size": info["size"], "sha256": info["sha256"]}
        return TYPES.get(type_)


def _handler_of(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = api.handle(Received(self.command, url.path, parse_qs(url.query), headers, body))
            if answer is None:
                return
            status, more, document = answer
            raw = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(raw)), "X-Request-ID": "req-1", **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    return Handler


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


def _upload(api: FakeApi, got: Received) -> Answer:
    message = message_from_bytes(f"Content-Type: {got.headers['content-type']}\r\n\r\n".encode() + got.body)
    part: Any = next(iter(message.get_payload()))
    data = part.get_payload(decode=True)
    name = re.search(rb'filename="([^"]*)"', got.body)
    info: dict[str, Any] = {"id": f"f{len(api.files)}", "name": name[1].decode() if name else "", "size": len(data)}
    info |= {"sha256": sha256(data).hexdigest(), "media_type": part.get_content_type(), "created_at": NOW}
    api.files[info["id"]] = (info, data)
    return 201, {}, info


def _file(api: FakeApi, got: Received, file_id: str) -> Answer:
    return (200, {}, api.files[file_id][0]) if file_id in api.files else (404, {}, problem(404, "not_found"))


def _content(api: FakeApi, got: Received, file_id: str) -> Answer:
    return (200, {}, api.files[file_id][1]) if file_id in api.files else (404, {}, problem(404, "not_found"))


def _delete(api: FakeApi, got: Received, file_id: str) -> Answer:
    del api.files[file_id]
    return 204, {}, b""


def _create_schedule(api: FakeApi, got: Received) -> Answer:
    blank = {"id": f"s{len(api.schedules)}", "cron": None, "every": None, "timezone": "UTC", "enabled": True}
    schedule = {**blank, **got.json, "next_run": NOW, "last_run": None}
    api.schedules[schedule["id"]] = schedule
    return 201, {}, schedule


def _schedules(api: FakeApi, got: Received) -> Answer:
    rows, start = [*reversed(api.schedules.values())], int(got.query.get("cursor", ["0"])[0])
    more = str(start + 2) if start + 2 < len(rows) else None
    return 200, {}, {"data": rows[start : start + 2], "next_cursor": more}


def _schedule(api: FakeApi, got: Received, schedule_id: str) -> Answer:
    if schedule_id not in api.schedules:
        return 404, {}, problem(404, "not_found")
    if got.method == "DELETE":
        del api.schedules[schedule_id]
        return 204, {}, b""
    if got.method == "PATCH":
        api.schedules[schedule_id].update(got.json)
    return 200, {}, api.schedules[schedule_id]


def _run_schedule(api: FakeApi, got: Received, schedule_id: str) -> Answer:
    return 201, {}, api.add(api.schedules[schedule_id])


def _types(api: FakeApi, got: Received) -> Answer:
    rows: Iterable[str] = sorted(TYPES)
    return (
        200,
        {},
        {"data": [{"name": n, "description": f"Does {n}.", "queue": "demo_tasks", "timeout": 300.0} for n in rows]},
    )


def _ready(api: FakeApi, got: Received) -> Answer:
    status = api.health["status"]
    return (503 if status == "unavailable" else 200), {}, {"status": status, "components": api.health["components"]}


def _paused(api: FakeApi, got: Received, name: str, what: str) -> Answer:
    if name not in api.queues:
        return 404, {}, problem(404, "not_found")
    api.queues[name]["paused"] = what == "pause"
    return 200, {}, api.queues[name]


def _purge(api: FakeApi, got: Received, name: str) -> Answer:
    """Two at a time, as a service does that has a large queue."""
    dry_run = got.query.get("dry_run") == ["true"]
    found = [t for t in api.tasks.values() if t["queue"] == name and t["status"] == "PENDING"]
    chosen = found if dry_run else found[:2]
    for task in [] if dry_run else chosen:
        task["status"] = "CANCELLED"
    counts = {"matched": len(chosen), "cancelled": 0 if dry_run else len(chosen), "has_more": len(found) > len(chosen)}
    return 200, {}, {"queue": name, "dry_run": dry_run, **counts}


def _drain(api: FakeApi, got: Received, worker_id: str) -> Answer:
    for worker in api.workers:
        if worker["id"] == worker_id:
            worker["state"] = "draining"
            return 202, {}, worker
    return 404, {}, problem(404, "not_found")


Route = tuple[str, str, Callable[..., Answer]]
V1 = "/api/v1"
ROUTES: list[Route] = [
    ("POST", f"{V1}/tasks", _submit),
    ("POST", f"{V1}/tasks/batch", _batch),
    ("GET", f"{V1}/tasks", _list),
    ("GET", f"{V1}/tasks/([^/]+)", _get),
    ("GET", f"{V1}/tasks/([^/]+)/attempts", _attempts),
    ("GET", f"{V1}/tasks/([^/]+)/events", _events),
    ("POST", f"{V1}/tasks/([^/]+)/cancel", _cancel),
    ("POST", f"{V1}/tasks/([^/]+)/retry", _retry),
    ("POST", f"{V1}/files", _upload),
    ("GET", f"{V1}/files/([^/]+)", _file),
    ("GET", f"{V1}/files/([^/]+)/content", _content),
    ("DELETE", f"{V1}/files/([^/]+)", _delete),
    ("POST", f"{V1}/schedules", _create_schedule),
    ("GET", f"{V1}/schedules", _schedules),
    *((method, f"{V1}/schedules/([^/]+)", _schedule) for method in ("GET", "PATCH", "DELETE")),
    ("POST", f"{V1}/schedules/([^/]+)/run", _run_schedule),
    ("GET", f"{V1}/task-types", _types),
    ("GET", f"{V1}/workers", lambda api, got: (200, {}, {"data": api.workers})),
    ("POST", f"{V1}/workers/([^/]+)/drain", _drain),
    ("GET", f"{V1}/queues", lambda api, got: (200, {}, {"data": list(api.queues.values())})),
    ("POST", f"{V1}/queues/([^/]+)/(pause|resume)", _paused),
    ("DELETE", f"{V1}/queues/([^/]+)/tasks", _purge),
    ("GET", "/health", lambda api, got: (200, {}, api.health)),
    ("GET", "/health/ready", _ready),
]
