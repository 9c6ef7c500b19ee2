"""A backup by the commands of docs/backup.md: restored beside an empty Redis and folder, the service goes on."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from service.client import AsyncClient
from shared.domain.verdict import completed
from shared.embedded.ports import free_port
from shared.embedded.postgres import Postgres, _program
from shared.queue.claim import Claimant, claim_hinted
from shared.queue.stores import Stores
from shared.settings import Settings
from tests.e2e.conftest import Service, environment
from tests.house.pages import FENCE, Block, page
from tests.house.test_docs_run import tools_in
from tests.house.tree import ROOT
from tests.integration.api.conftest import SUM
from tests.integration.broker.conftest import eventually
from tests.support.keys import key
from tests.support.processes import Processes
from tests.support.scenes.making import AT_ONCE, ended
from tests.support.servers import Servers, started

TASKS = "/api/v1/tasks"
ONCE = {"Idempotency-Key": "before-the-backup"}
CONTENT = b"kept through it all\n"
UNSYNCED = {"fsync": "off", "full_page_writes": "off"}
PATIENCE_SECONDS = 60.0


def typed(title: str, env: dict[str, str], folder: Path) -> str:
    """What the commands under a heading of the page print; each must succeed."""
    parts = re.split(r"^##+ ", page("docs/backup.md").text, flags=re.MULTILINE)
    [section] = [part for part in parts if part.startswith(f"{title}\n")]
    blocks = [Block(language, given) for language, given in FENCE.findall(section)]
    script = "\n".join(line for block in blocks if block.language == "console" for line in block.commands)
    assert script, title
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """Of somebody with the service and PostgreSQL's own programs installed."""
    programs = Path(_program("pg_dump")).parent
    path = f"{tools_in(tmp_path)}:{programs}:{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "LC_ALL": "C"}


@dataclass
class Before:
    """What there was: ids of tasks by what was known of them, and of a file."""

    tasks: dict[str, str]
    file: str
    token: str


@pytest_asyncio.fixture
async def before(api: httpx.AsyncClient, stores: Stores, claimant: Claimant) -> Before:
    """A service in the middle of its work: its worker runs one task, and will be gone with the machine."""

    async def made(path: str, headers: dict[str, str] | None = None, **body: Any) -> str:
        answer = await api.post(f"/api/v1/{path}", headers=headers, **body)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    file = await made("files", files={"file": ("kept.txt", CONTENT)})
    tasks = {name: await made("tasks", json=SUM) for name in ("completed", "retrying", "running", "waiting")}
    tasks["later"] = await made("tasks", json={**SUM, "delay": 3_600})
    tasks["cancelled"] = await made("tasks", json=SUM)
    await api.post(f"{TASKS}/{tasks['cancelled']}/cancel")
    tasks["file"] = await made("tasks", json={"type": "process_file_upload", "input": {"file_id": file}})
    tasks["once"] = await made("tasks", json=SUM, headers=ONCE)
    await made("schedules", json={"name": "ticking", "every": 1, **SUM})
    runs = await claim_hinted(stores, claimant, [UUID(tasks[n]) for n in ("completed", "retrying", "running")])
    await ended(stores, runs[0], completed('{"operation": "add", "result": 5}'))
    await ended(stores, runs[1], AT_ONCE)
    return Before(tasks, file, (await key(stores, "admin")).token)


@pytest.fixture
def elsewhere(servers: Servers, processes: Processes, tmp_path: Path) -> Iterator[Service]:
    """Another machine: a PostgreSQL of its own, an empty Redis, an empty folder."""
    fresh = Postgres(tmp_path / "fresh", settings=UNSYNCED)
    with started(fresh), servers.lend_redis() as redis, servers.lend_redis() as results:
        yield Service(environment(fresh.url, redis, results, tmp_path / "there"), free_port(), processes)
        processes.reap_all()


@pytest_asyncio.fixture
async def restored(
    before: Before, settings: Settings, elsewhere: Service, shell: dict[str, str], tmp_path: Path
) -> AsyncIterator[AsyncClient]:
    """Asks the service that was restored there."""
    here = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TASKRUNNER_STORAGE_DIR": str(settings.storage_dir),
    }
    await asyncio.to_thread(typed, "Make one", {**shell, **here}, tmp_path)
    await asyncio.to_thread(typed, "Into an empty database", {**shell, **elsewhere.env}, tmp_path)
    await asyncio.gather(elsewhere.start_api(), elsewhere.start_worker())
    async with AsyncClient(elsewhere.url, before.token, timeout=PATIENCE_SECONDS) as client:
        yield client


async def test_a_restored_service_goes_on_where_the_backup_left_it(
    before: Before, restored: AsyncClient, elsewhere: Service, shell: dict[str, str], tmp_path: Path
) -> None:
    async def ends(name: str) -> Any:
        return await restored.wait(before.tasks[name], PATIENCE_SECONDS)

    for name in ("completed", "waiting", "retrying", "running", "once"):
        assert (await ends(name)).result == {"operation": "add", "result": 5}, name
    assert [a.outcome for a in await restored.attempts(before.tasks["running"])] == ["lost", "completed"]
    assert [a.outcome for a in await restored.attempts(before.tasks["retrying"])] == ["retried", "completed"]
    assert (await ends("cancelled")).status == "CANCELLED"
    assert (await restored.get(before.tasks["later"])).status == "SCHEDULED"

    assert (await ends("file")).result["size"] == len(CONTENT)
    copy = await restored.download(before.file, tmp_path / "copy")
    assert copy.read_bytes() == CONTENT

    bearer = {"Authorization": f"Bearer {before.token}"}
    async with httpx.AsyncClient(base_url=elsewhere.url, headers=bearer, timeout=30, trust_env=False) as http:
        again = await http.post(TASKS, json=SUM, headers=ONCE)
    assert (again.status_code, again.json()["id"]) == (201, before.tasks["once"])
    assert again.headers["idempotent-replayed"] == "true"

    async def ticks() -> bool:
        return bool([task async for task in restored.list(tag="schedule:ticking")])

    await eventually(ticks, PATIENCE_SECONDS)

    stray = uuid4()
    folder = Path(elsewhere.env["TASKRUNNER_STORAGE_DIR"]) / "1" / stray.hex[-2:]
    folder.mkdir(exist_ok=True)
    (folder / str(stray)).write_bytes(b"of an upload after the backup")
    found = await asyncio.to_thread(typed, "Bytes without a record", {**shell, **elsewhere.env}, tmp_path)
    assert found.split() == [str(stray)]
