"""Disks that are full, for real: writes are refused in one voice, reads go on, and nothing accepted is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from pathlib import Path

import asyncpg
import httpx
import pytest

from shared.db.migrate import upgrade
from shared.embedded.postgres import Postgres
from shared.embedded.space import MEBIBYTE
from tests.chaos.conftest import Stage
from tests.support.disks import move_log, small_disk
from tests.support.faults import Recoveries, Store, connected, until
from tests.support.load import Load
from tests.support.processes import ROOT, Child

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

RECOVERED_SECONDS = 10.0
RESTARTED_SECONDS = 20.0
"""PostgreSQL is started within a second; its recovery syncs every file first, which a busy disk makes seconds of."""
PAST_EVERY_LEASE_SECONDS = 8.0
REFUSED_SECONDS = 30.0


def were_told_it_is_full(load: Load) -> bool:
    return any(call.body.get("code") == "storage-full" for call in load.calls)


async def reads_go_on(load: Load, url: str) -> None:
    assert (await load.get(load.ids[0])).status == 200
    assert (await load.ask("list", "GET", "/tasks?limit=5")).status == 200
    async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as http:
        for path in ("/health/live", "/health/ready", "/health"):
            assert (await http.get(path)).status_code == 200, path


@pytest.mark.parametrize("somebody_reads_all", [False, True], ids=["alone", "beside a long read"])
async def test_a_full_data_disk_refuses_writes_serves_reads_and_loses_nothing(
    stage: Stage, tmp_path: Path, recoveries: Recoveries, somebody_reads_all: bool
) -> None:
    with small_disk(tmp_path / "data", 96) as disk:
        server = Postgres(disk.path / "postgres")
        move_log(server, tmp_path / "log")
        async with Store(server) as store:
            await upgrade(store.url)
            stage.database_url = stage.service.env["DATABASE_URL"] = store.url
            async with (
                stage.running(workers=2) as keepers,
                stage.load(seconds=0.2) as load,
                connected(store.url) as connection,
            ):
                steady = asyncio.create_task(load.steady(rate=20, seconds=12))
                await asyncio.sleep(2)
                if somebody_reads_all:
                    # As a backup does: no row version may be removed meanwhile, so not even a heartbeat finds room.
                    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tasks")
                for _ in range(5):
                    await load.submit(seconds=4)
                disk.fill()
                await until(lambda: were_told_it_is_full(load), REFUSED_SECONDS, "storage-full")
                await reads_go_on(load, stage.service.url)
                await asyncio.sleep(PAST_EVERY_LEASE_SECONDS)
                await reads_go_on(load, stage.service.url)
                disk.free()
                took = await stage.recovered(load)
                await connection.execute("ROLLBACK")
                await steady
                evidence = await stage.judged(load)
                assert [keeper.exits for keeper in keepers] == [[], [], []]
    assert evidence.outcomes["lost"] == 0
    beside = " beside a long read" if somebody_reads_all else ""
    recoveries.measured(f"data disk full{beside}: back to a start", took, RECOVERED_SECONDS)


async def write_until_it_ends(database_url: str) -> None:
    """Write to the log until PostgreSQL is gone."""
    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        async with connected(database_url) as connection:
            while True:
                await connection.execute("SELECT pg_logical_emit_message(false, '', repeat('x', 1000000))", timeout=30)


async def up(stage: Stage, data: Path) -> Child:
    """``taskrunner up`` with embedded servers, tasks of the tests, and one worker."""
    stores = {"DATABASE_URL", "REDIS_URL", "REDIS_RESULT_URL", "TASKRUNNER_STORAGE_DIR"}
    env = {name: value for name, value in stage.service.env.items() if name not in stores}
    command = ("up", "--port", str(stage.service.port), "--data-dir", str(data))
    child = stage.service.processes.taskrunner(*command, env={**env, "PYTHONPATH": str(ROOT)}, cwd=data.parent)
    await child.wait_for_line(r"ready in \d+\.\d s", timeout=90)
    stage.database_url = Postgres(data / "postgres", port=port_of_postgres(child)).url
    return child


def port_of_postgres(child: Child) -> int:
    return int(re.findall(r'listening on IPv4 address "127.0.0.1", port (\d+)', child.output)[-1])


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own settings reaches ``up``."""
    for name in [name for name in os.environ if name.startswith("TASKRUNNER_") or name.endswith("_URL")]:
        monkeypatch.delenv(name)


async def test_up_starts_a_postgresql_again_that_ended_for_want_of_room_for_its_log(
    stage: Stage, tmp_path: Path, recoveries: Recoveries
) -> None:
    data = tmp_path / "data"
    with small_disk(tmp_path / "log", 40) as disk:
        move_log(Postgres(data / "postgres"), disk.path / "pg_wal")
        # Full from the start: with a second segment PostgreSQL could end, recover and go on, for ever.
        disk.fill()
        child = await up(stage, data)
        async with stage.load(seconds=0.2) as load:
            steady = asyncio.create_task(load.steady(rate=10, seconds=14))
            await asyncio.sleep(2)
            while not re.search(r"postgres ended .* the disk of .*/pg_wal is full .* make room", child.output):
                await write_until_it_ends(stage.database_url)
                await asyncio.sleep(0.1)
            await asyncio.sleep(PAST_EVERY_LEASE_SECONDS)
            disk.free()
            await lost_nothing(stage, load, steady, child, recoveries, "WAL disk full, PostgreSQL ended")


async def test_up_survives_the_one_disk_of_everything_being_full(
    stage: Stage, tmp_path: Path, recoveries: Recoveries
) -> None:
    with small_disk(tmp_path / "data", 192) as disk:
        child = await up(stage, disk.path)
        async with stage.load(seconds=0.2) as load:
            steady = asyncio.create_task(load.steady(rate=10, seconds=14))
            await asyncio.sleep(2)
            disk.fill()
            await until(lambda: were_told_it_is_full(load), REFUSED_SECONDS, "storage-full")
            await write_until_it_ends(stage.database_url)
            await asyncio.sleep(PAST_EVERY_LEASE_SECONDS)
            disk.free()
            await lost_nothing(stage, load, steady, child, recoveries, "the disk of everything full")


async def lost_nothing(
    stage: Stage, load: Load, steady: asyncio.Task[None], child: Child, recoveries: Recoveries, fault: str
) -> None:
    """There is room again: all goes on, and only PostgreSQL ever ended."""
    took = await stage.recovered(load)
    await steady
    evidence = await stage.judged(load, timeout=90)
    assert any(call.status == 503 for call in load.calls)
    assert evidence.outcomes["lost"] == 0
    assert set(re.findall(r"(\w+) ended", child.output)) <= {"postgres"}
    recoveries.measured(f"{fault}: room to a start", took, RESTARTED_SECONDS)


async def test_an_upload_to_a_full_disk_is_refused_and_leaves_nothing_behind(stage: Stage, tmp_path: Path) -> None:
    with small_disk(tmp_path / "files", 8) as disk:
        stored = disk.path / "stored"
        stage.service.env["TASKRUNNER_STORAGE_DIR"] = str(stored)
        async with (
            stage.running(workers=0),
            httpx.AsyncClient(base_url=stage.service.url, timeout=30, trust_env=False) as http,
        ):
            await refused(http, stored, mebibytes=16)  # fills it midway
            disk.fill()
            await refused(http, stored, mebibytes=1)
            disk.free()
            answer = await upload(http, mebibytes=1)
            assert answer.status_code == 201
            kept = await http.get(f"/api/v1/files/{answer.json()['id']}/content")
            assert len(kept.content) == MEBIBYTE


async def upload(http: httpx.AsyncClient, mebibytes: int) -> httpx.Response:
    return await http.post("/api/v1/files", files={"file": ("a.bin", bytes(mebibytes * MEBIBYTE))})


async def refused(http: httpx.AsyncClient, stored: Path, mebibytes: int) -> None:
    answer = await upload(http, mebibytes)
    assert (answer.status_code, answer.json()["code"]) == (503, "storage-full")
    assert int(answer.headers["Retry-After"]) > 0
    assert files_in(stored) == []


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
