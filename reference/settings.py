"""The page of settings, from the fields of ``Settings`` and what is said of each there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from reference.markdown import blocks, code, table
from reference.schemas import Schema, kind
from service.effective import variable_of
from shared.settings import Settings

INTRO = """
# Settings
What each variable means, takes and is if unset. How they are read, and which to set first:
[configuration.md](../configuration.md).
"""
OF_CLIENTS = """
## Of the client and the command line
| name | takes | default | meaning |
|---|---|---|---|
| `TASKRUNNER_URL` | text | `http://127.0.0.1:8000` | Where the service is. |
| `TASKRUNNER_API_KEY` | secret text | unset | The key to send. |
"""
API = frozenset(
    {"bootstrap_key", "rate_limit", "api_pool_size", "api_pool_overflow", "max_upload_mb"}
    | {"expected_workers", "metrics_public", "cors_origins"}
)
"""What no worker reads."""
WORKER = frozenset(
    {"concurrency", "arq_settings", "worker_pool_size", "worker_pool_overflow", "retry_backoff_scale"}
    | {"max_tasks_per_worker", "max_worker_memory_mb", "shutdown_grace", "worker_health_port", "worker_health_host"}
    | {"ai_base_url", "ai_api_key", "ai_model", "ai_limits", "ai_patience", "smtp_url", "mail_from"}
)
"""What no API reads."""
MORE = {
    "rate_limit": "security.md#rate-limits",
    "secret_key": "security.md",
    "task_modules": "task-types.md#use-it",
    "arq_settings": "arq-compatibility.md",
    "queue_concurrency": "limits.md#of-a-queue",
    "key_concurrency": "limits.md#one-at-a-time-for-each-customer",
    "ai_limits": "limits.md#of-a-model",
    "ai_patience": "limits.md#of-a-model",
    "api_pool_size": "deployment.md#connections",
    "lease_seconds": "concepts.md#death-rescue-and-poison",
    "retention_days": "concepts.md#retention",
    "expected_workers": "metrics.md",
}
"""Where a reader of the one line goes on."""


def page() -> str:
    schema = Settings.model_json_schema(by_alias=False)
    rows = (
        (code(variable_of(name)), _takes(field, schema), default_of(name), _reader(name), _meaning(name, field))
        for name, field in schema["properties"].items()
    )
    own = table(("name", "takes", "default", "read by", "meaning"), rows)
    return blocks(INTRO, own, OF_CLIENTS)


def default_of(name: str) -> str:
    """As one would write it into ``.env``."""
    default: Any = Settings.model_fields[name].default
    match default.get_secret_value() if isinstance(default, SecretStr) else default:
        case None | () | {} if not default:
            return "unset"
        case bool(value):
            return code(str(value).lower())
        case tuple(names):
            return code(",".join(names))
        case float(value):
            return code(f"{value:g}")
        case Path() as path:
            return code(path.as_posix())
        case value:
            return code(value)


def _takes(field: Schema, schema: Schema) -> str:
    """Lists and pairs are texts here, taken apart at commas."""
    match field.get("type"):
        case "array":
            return "list"
        case "object":
            return "pairs"
        case _:
            return kind(field, schema.get("$defs", {})).removesuffix(" or null")


def _reader(name: str) -> str:
    return "API" if name in API else "worker" if name in WORKER else "API, worker"


def _meaning(name: str, field: Schema) -> str:
    more = f" ([more](../{MORE[name]}))" if name in MORE else ""
    return f"{field.get('description', '')}{more}"
