"""The stand-in itself: a server on loopback, its state, and the orders that its next answers obey."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.fake_api.documents import BLANK, HEALTH, NOW, QUEUE, QUEUES, TYPES, WORKER
from tests.support.fake_api.routes import ROUTES
from tests.support.fake_api.wire import V1, Answer, Order, Received, problem


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
