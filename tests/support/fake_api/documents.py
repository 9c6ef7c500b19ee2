"""The documents that the stand-in answers with, before anything has changed them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

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
    "queues": {"demo_tasks": {"waiting": 0, "oldest_age": 0.0, "is_lower_bound": False}},
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
