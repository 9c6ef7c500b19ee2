"""Files and schedules of the stand-in."""

from __future__ import annotations

import re
from email import message_from_bytes
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.support.fake_api.documents import NOW
from tests.support.fake_api.wire import V1, Answer, Received, Route, problem

if TYPE_CHECKING:
    from tests.support.fake_api.server import FakeApi


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


ROUTES: list[Route] = [
    ("POST", f"{V1}/files", _upload),
    ("GET", f"{V1}/files/([^/]+)", _file),
    ("GET", f"{V1}/files/([^/]+)/content", _content),
    ("DELETE", f"{V1}/files/([^/]+)", _delete),
    ("POST", f"{V1}/schedules", _create_schedule),
    ("GET", f"{V1}/schedules", _schedules),
    *((method, f"{V1}/schedules/([^/]+)", _schedule) for method in ("GET", "PATCH", "DELETE")),
    ("POST", f"{V1}/schedules/([^/]+)/run", _run_schedule),
]
