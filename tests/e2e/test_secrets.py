"""Everything a caller may send, with a mark in it, at the most talkative level: no log of any process holds a mark."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import httpx

from tests.e2e.conftest import Service

MARK = "m4rk"
SECRET = f"{MARK}-0123456789abcdef"
ADMIN = {"Authorization": f"Bearer trk_boot.{SECRET}"}
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
FAILING: dict[str, Any] = {
    "rows": [{f"{MARK}-column": f"{MARK}-value"}],
    "operations": [{"op": "select", "columns": [f"{MARK}-missing"]}],
}
TASKS: list[dict[str, Any]] = [
    {"type": "text_generation", "input": {"prompt": f"{MARK}-prompt", "system": f"{MARK}-system", "max_tokens": 4}},
    {"type": "data_processing", "input": FAILING},
    {"type": "send_notification_email", "input": {"to": f"{MARK}@example.org", "subject": MARK, "body": MARK}},
    {"type": "image_analysis", "input": {"url": f"https://127.0.0.1/{MARK}?token={MARK}"}},
    {"type": "shout", "input": {"text": f"{MARK}\n{MARK}"}},
    {"type": "fatal", "input": {}, "callback_url": f"https://hooks.invalid/{MARK}?token={MARK}"},
]
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("/tasks", {"json": {"type": f"{MARK}-type", "input": {"a": MARK}}}),
    ("/tasks", {"json": {"type": "shout", "input": {"text": MARK, f"{MARK}-surplus": 1}}}),
    ("/tasks", {"content": f'{{"{MARK}": '.encode(), "headers": {"Content-Type": "application/json"}}),
    ("/tasks", {"json": {"type": "shout", "input": {"text": MARK}}, "headers": {"Idempotency-Key": f"{MARK}é"}}),
    ("/tasks", {"json": {}, "headers": {"Authorization": f"Bearer trk_none.{SECRET}"}}),
    ("/schedules", {"json": {"name": MARK, "cron": MARK, "type": "shout", "input": {"text": MARK}}}),
    ("/files", {"content": MARK.encode(), "headers": {"Content-Type": f"multipart/form-data; boundary={MARK}"}}),
]


async def test_no_log_holds_a_key_or_a_payload(own_service: Service) -> None:
    talkative = {"TASKRUNNER_LOG_LEVEL": "DEBUG", "TASKRUNNER_LOG_FORMAT": "console", "TASKRUNNER_RATE_LIMIT": "1000"}
    secrets = {"TASKRUNNER_BOOTSTRAP_KEY": f"trk_boot.{SECRET}", "TASKRUNNER_SECRET_KEY": f"{MARK}-key-of-keys"}
    own_service.env |= {**talkative, **secrets, "TASKRUNNER_TASK_MODULES": "tests.support.own_tasks"}
    api = await own_service.start_api()
    worker = await own_service.start_worker(TASKRUNNER_LOG_FORMAT="json")
    async with httpx.AsyncClient(base_url=f"{own_service.url}/api/v1", headers=ADMIN, timeout=60) as http:
        for path, given in REFUSED:
            headers = {**ADMIN, **_encoded(given.get("headers", {}))}
            assert (await http.post(path, **{**given, "headers": headers})).status_code in {400, 401, 422}, path
        await _use_everything(http)
    for child in (worker, api):
        child.send(signal.SIGTERM)
    await asyncio.gather(worker.wait(), api.wait())
    lines = [*api.lines, *worker.lines]
    assert any("task_started" in line for line in lines), "they were talkative"
    assert [line for line in lines if MARK in line] == []


async def _use_everything(http: httpx.AsyncClient) -> None:
    about = {"metadata": {MARK: MARK}, "tags": [MARK], "concurrency_key": MARK}
    made = []
    for number, task in enumerate(TASKS):
        answer = await http.post("/tasks", json={**task, **about}, headers={"Idempotency-Key": f"{MARK} {number}"})
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["id"])
    uploaded = await http.post("/files", files={"file": (f"{MARK}.txt", MARK.encode())})
    assert uploaded.status_code == 201
    file_id = uploaded.json()["id"]
    read = await http.post("/tasks", json={"type": "process_file_upload", "input": {"file_id": file_id}})
    made.append(read.json()["id"])
    for path in (
        f"/files/{file_id}/content",
        f"/tasks?tag={MARK}",
        f"/tasks?cursor={MARK}",
        f"/tasks/{made[0]}/events",
    ):
        await http.get(path)
    await http.post("/keys", json={"name": MARK, "scopes": ["read"]})
    await http.get("/webhooks/secret")
    for task_id in made:
        while (await http.get(f"/tasks/{task_id}?wait=30")).json()["status"] not in ENDED:
            pass


def _encoded(headers: dict[str, str]) -> dict[str, str | bytes]:
    return {name: value.encode("latin-1") if not value.isascii() else value for name, value in headers.items()}
