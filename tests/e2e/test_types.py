"""Every task type does real work, through the whole service: files, mail, tables, images, reports, archives."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from service.client import AsyncClient
from tests.e2e.conftest import Service
from tests.support import samples
from tests.support.ai_server import AIServer, answered, streamed
from tests.support.smtp_server import SmtpServer


async def result_of(client: AsyncClient, task_type: str, given: dict[str, Any]) -> dict[str, Any]:
    task = await client.submit(task_type, given)
    done = await client.wait(task.id, timeout=60)
    assert done.status == "COMPLETED", done.error
    assert isinstance(done.result, dict)
    return done.result


@pytest.mark.parametrize(("operation", "expected"), [("add", 9), ("subtract", 5), ("multiply", 14), ("divide", 3.5)])
async def test_a_calculation(client: AsyncClient, operation: str, expected: float) -> None:
    result = await result_of(client, "simple_calculation", {"a": 7, "b": 2, "operation": operation})
    assert result == {"operation": operation, "result": expected}


async def test_an_image_is_described_by_its_pixels(client: AsyncClient) -> None:
    image = await client.upload(samples.split_image("#ff0000", "#0000ff"), name="flag.png")
    result = await result_of(client, "image_analysis", {"file_id": image.id})
    assert (result["format"], result["width"], result["height"]) == ("PNG", 80, 40)
    assert [c["color"] for c in result["dominant_colors"]] == ["#ff0000", "#0000ff"]
    assert int(result["perceptual_hash"], 16) >= 0


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
async def test_tables_of_every_kind_are_filtered_grouped_and_sorted(client: AsyncClient, kind: str) -> None:
    rows = [{"city": c, "sold": n} for c, n in [("Oslo", 3), ("Rome", 5), ("Oslo", 4), ("Bonn", 0)]]
    content = {
        "csv": samples.csv_file(rows),
        "json": samples.json_file(rows),
        "parquet": samples.parquet_file(pl.DataFrame(rows)),
    }[kind]
    file = await client.upload(content, name=f"sales.{kind}")
    operations = [
        {"op": "filter", "column": "sold", "cmp": ">", "value": 0},
        {"op": "group_by", "by": ["city"], "aggregate": {"sold": "sum"}},
        {"op": "sort", "by": "city"},
    ]
    result = await result_of(client, "data_processing", {"file_id": file.id, "operations": operations})
    assert result["row_count"] == 2
    assert [list(row.values()) for row in result["rows"]] == [["Oslo", 7], ["Rome", 5]]


async def test_a_mail_reaches_the_server(client: AsyncClient, smtp: SmtpServer) -> None:
    given = {"to": "ada@example.org", "subject": "Grüße", "body": "The report is ready."}
    task = await client.submit("send_notification_email", given)
    done = await client.wait(task.id, timeout=60)
    assert done.result is not None
    assert done.result["accepted"] == ["ada@example.org"]
    [mail] = [m for m in smtp.mails if task.id in m.message["Message-ID"]]
    assert mail.message["Subject"] == "Grüße"
    assert mail.message["Message-ID"] == done.result["message_id"]
    assert "The report is ready." in mail.message.get_content()


async def test_an_upload_is_checked_and_an_archive_listed(client: AsyncClient) -> None:
    content = samples.zip_file({"a.txt": b"one\ntwo\n", "b/c.txt": b"three"})
    file = await client.upload(content, name="things.zip")
    result = await result_of(client, "process_file_upload", {"file_id": file.id})
    assert result["sha256"] == hashlib.sha256(content).hexdigest() == file.sha256
    assert {entry["name"] for entry in result["entries"]} == {"a.txt", "b/c.txt"}


async def test_a_report_counts_tasks_and_is_stored_as_files(client: AsyncClient, tmp_path: Path) -> None:
    await result_of(client, "simple_calculation", {"a": 1, "b": 1, "operation": "add"})
    result = await result_of(client, "generate_report", {})
    html = (await client.download(result["files"]["html"], tmp_path / "report.html")).read_bytes()
    table = (await client.download(result["files"]["csv"], tmp_path / "report.csv")).read_bytes()
    assert b"<svg" in html
    assert b"simple_calculation" in html
    assert b"simple_calculation" in table
    assert result["rows"] >= 1


async def test_a_configured_provider_streams_retries_and_is_believed(own_service: Service) -> None:
    async with AIServer() as provider:
        own_service.env["TASKRUNNER_AI_BASE_URL"] = provider.base_url
        own_service.env["TASKRUNNER_AI_MODEL"] = "house-model"
        await own_service.start_api()
        await own_service.start_worker()
        async with own_service.client() as client:
            provider.script(
                answered(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"}), streamed("Hi", "!")
            )
            task = await client.submit("text_generation", {"prompt": "Hello"})
            done = await client.wait(task.id, timeout=60)
            assert done.result is not None
            assert (done.status, done.result["text"]) == ("COMPLETED", "Hi!")
            assert [a.outcome for a in await client.attempts(task.id)] == ["released", "completed"]
            assert provider.requests[-1]["model"] == "house-model"

            provider.script(answered(404, {"error": {"message": "no such model"}}))
            task = await client.submit("text_generation", {"prompt": "Hello", "model": "unheard-of"})
            done = await client.wait(task.id, timeout=60)
            assert done.error is not None
            assert (done.status, done.attempt) == ("FAILED", 1)
            assert "no such model" in done.error.message
