"""A bounded load generator: a good client that repeats what got no answer, and keeps the history of all it was told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.facts import Call

REQUEST_TIMEOUT = 10.0
PATIENCE_SECONDS = 90.0
RECONNECT_SECONDS = 0.1
MOST_AT_ONCE = 64


class Load:
    """``async with Load(url, ledger) as load``: submits ``effect`` tasks that write to ``ledger``."""

    def __init__(self, url: str, ledger: Path, *, seconds: float = 0.0) -> None:
        self.calls: list[Call] = []
        self.ids: list[str] = []
        self._ledger = ledger
        self._seconds = seconds
        self._http = httpx.AsyncClient(
            base_url=f"{url}/api/v1",
            timeout=REQUEST_TIMEOUT,
            trust_env=False,
            limits=httpx.Limits(max_connections=MOST_AT_ONCE),
        )
        self._next = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def steady(self, rate: float, seconds: float, **fields: Any) -> None:
        """Submit ``rate`` tasks a second for ``seconds``, whether or not they are answered; returns once all are."""
        await self.until_set(asyncio.Event(), rate, seconds, **fields)

    async def until_set(self, stop: asyncio.Event, rate: float, seconds: float = 600.0, **fields: Any) -> None:
        """The same, until ``stop`` is set."""
        async with asyncio.TaskGroup() as group:
            until = time.monotonic() + seconds
            while time.monotonic() < until and not stop.is_set():
                group.create_task(self.submit(**fields))
                await asyncio.sleep(1 / rate)

    async def submit(self, *, seconds: float | None = None, **fields: Any) -> str:
        """Submit one task, again and again under its key until it is accepted; its id."""
        self._next += 1
        key = f"key-{self._next}"
        call = await self.accepted("submit", "/tasks", key, self._task(key, seconds, fields))
        task_id = str(call.body["id"])
        self.ids.append(task_id)
        return task_id

    async def accepted(self, verb: str, path: str, key: str, body: object) -> Call:
        """Post ``body``, again and again under ``key``, until it is accepted; the answer."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            call = await self.ask(verb, "POST", path, json=body, key=key)
            if call.status == 201:
                return call
            assert _is_worth_repeating(call), f"refused: {call}"
            assert time.monotonic() < deadline, f"not accepted within {PATIENCE_SECONDS:g} s: {call}"
            await asyncio.sleep(float(call.retry_after or RECONNECT_SECONDS))

    async def submit_batch(self, count: int) -> list[str]:
        """Submit ``count`` tasks in batches; each is kept in the history as if it had come alone."""
        ids: list[str] = []
        for start in range(0, count, 1_000):
            tasks = []
            for _ in range(min(1_000, count - start)):
                self._next += 1
                tasks.append(self._task(f"key-{self._next}", None, {}))
            call = await self.ask("batch", "POST", "/tasks/batch", json={"tasks": tasks})
            assert call.status == 201, call
            made = [str(task["id"]) for task in call.body["data"]]
            self.calls += [Call("submit", call.asked_at, call.answered_at, 201, {"id": made_id}) for made_id in made]
            ids += made
        self.ids += ids
        return ids

    async def get(self, task_id: str) -> Call:
        return await self.ask("get", "GET", f"/tasks/{task_id}", task_id=task_id)

    async def cancel(self, task_id: str) -> Call:
        return await self.ask("cancel", "POST", f"/tasks/{task_id}/cancel", task_id=task_id)

    async def retry(self, task_id: str) -> Call:
        return await self.ask("retry", "POST", f"/tasks/{task_id}/retry", task_id=task_id)

    async def pause(self, queue: str) -> Call:
        return await self.ask("pause", "POST", f"/queues/{queue}/pause", queue=queue)

    async def resume(self, queue: str) -> Call:
        return await self.ask("resume", "POST", f"/queues/{queue}/resume", queue=queue)

    async def purge(self, queue: str) -> Call:
        return await self.ask("purge", "DELETE", f"/queues/{queue}/tasks", queue=queue)

    async def ask(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        json: object = None,
        key: str | None = None,
        task_id: str | None = None,
        queue: str | None = None,
    ) -> Call:
        """One request, kept in the history whatever comes of it."""
        asked_at = time.monotonic()
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = await self._http.request(method, path, json=json, headers=headers)
        except httpx.TransportError:
            call = Call(verb, asked_at, time.monotonic(), None, key=key, task_id=task_id, queue=queue)
        else:
            told, after = _body_of(answer), answer.headers.get("Retry-After")
            call = Call(verb, asked_at, time.monotonic(), answer.status_code, told, after, key, task_id, queue)
        self.calls.append(call)
        return call

    def _task(self, key: str, seconds: float | None, fields: Mapping[str, Any]) -> dict[str, Any]:
        work = self._seconds if seconds is None else seconds
        return {"type": "effect", "input": {"ledger": str(self._ledger), "seconds": work, "key": key}, **fields}


def _is_worth_repeating(call: Call) -> bool:
    """No answer, an outage, or the first request with this key still under way."""
    return call.status in {None, 503} or (call.status == 409 and call.body.get("code") == "idempotency_in_flight")


def _body_of(answer: httpx.Response) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        body = answer.json()
        if isinstance(body, dict):
            return body
    return {}
