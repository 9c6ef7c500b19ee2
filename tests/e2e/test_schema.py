"""schemathesis reads the OpenAPI document and asks what it allows and what it does not, of a real process.

`make test` has a few seeded examples of every operation, `make fuzz` many: FUZZ_EXAMPLES and FUZZ_SEED say.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from shared.embedded.ports import free_port
from shared.queue.stores import Stores
from shared.settings import Settings
from tests.support.keys import key
from tests.support.processes import Processes

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))
PHASES = "examples,coverage,fuzzing" if "FUZZ_EXAMPLES" in os.environ else "examples,fuzzing"
SEED = os.environ.get("FUZZ_SEED", "1")
SECONDS_AN_EXAMPLE = 3.0
NO_LONG_POLLS = """
[parameters]
wait = 0
Prefer = "wait=0"
"""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.mark.timeout(120 + SECONDS_AN_EXAMPLE * EXAMPLES * 60)
async def test_every_answer_is_a_documented_one(
    processes: Processes, settings: Settings, stores: Stores, tmp_path: Path
) -> None:
    assert settings.secret_key is not None
    admin, port = await key(stores, "admin"), free_port()
    api = processes.api(
        port,
        {
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "REDIS_RESULT_URL": settings.result_url,
            "TASKRUNNER_SECRET_KEY": settings.secret_key.get_secret_value(),
            "TASKRUNNER_STORAGE_DIR": str(settings.storage_dir),
        },
    )
    url = f"http://127.0.0.1:{port}"
    await api.wait_for_http(f"{url}/health/ready")
    (tmp_path / "schemathesis.toml").write_text(NO_LONG_POLLS, encoding="utf-8")
    fuzz = processes.start(
        str(Path(sys.executable).with_name("schemathesis")),
        "--no-color",
        "run",
        f"{url}/openapi.json",
        *("--header", f"Authorization: {admin.headers['Authorization']}"),
        *("--checks", ",".join(CHECKS), "--phases", PHASES),
        *("--max-examples", str(EXAMPLES), "--seed", SEED),
        *("--exclude-path-regex", "/events$"),  # streams have no end to wait for
        *("--continue-on-failure", "--generation-database", "none", "--request-timeout", "20"),
        cwd=tmp_path,
    )
    code = await fuzz.wait(60 + SECONDS_AN_EXAMPLE * EXAMPLES * 60)
    assert code == 0, f"{fuzz.output[-20_000:]}\n{api.output[-5_000:]}"
