"""The daily cleanup of files: those that nothing names any more, the record first, then the bytes."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from shared.db.statements import retention as statements
from shared.domain.ids import new_id
from shared.queue import retention
from shared.queue.cancel import cancel
from shared.queue.claim import Claimant, claim_hinted
from shared.queue.files import FileRecords
from shared.queue.retention import Cleanup, Removed
from shared.queue.stores import Stores
from shared.queue.submit import submit
from tests.support.aged import YOUNG, Planned, count, execute, files_left, stored, waiting


async def test_old_files_go_and_their_bytes_too(stores: Stores) -> None:
    await stored(stores)
    young = await stored(stores, YOUNG)
    assert await Cleanup().run(stores) == Removed(files=1)
    assert await files_left(stores) == {young}


@pytest.mark.parametrize(
    "spelled", [str, lambda id_: id_.hex.upper(), lambda id_: id_.urn], ids=["usual", "hex", "urn"]
)
@pytest.mark.parametrize("does_run", [False, True], ids=["waits", "runs"])
async def test_a_file_that_an_unfinished_task_names_stays(
    stores: Stores, planned: Planned, claimant: Claimant, spelled: Callable[[UUID], str], does_run: bool
) -> None:
    kept = await stored(stores)
    await stored(stores)
    task = await waiting(stores, planned, YOUNG, input={"parts": [{"file": spelled(kept)}]})
    if does_run:
        assert await claim_hinted(stores, claimant, [task.id])
    assert await Cleanup().run(stores) == Removed(files=1)
    assert await files_left(stores) == {kept}


async def test_another_tenants_task_keeps_no_file(stores: Stores, planned: Planned) -> None:
    file_id = await stored(stores)
    await execute(stores, "INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING")
    await submit(stores, 2, [planned(input={"file_id": str(file_id)})])
    assert await Cleanup().run(stores) == Removed(files=1)


async def test_a_final_task_keeps_no_file(stores: Stores, planned: Planned) -> None:
    file_id = await stored(stores)
    task = await waiting(stores, planned, YOUNG, input={"file_id": str(file_id)})
    await cancel(stores, 1, task.id)
    assert await Cleanup().run(stores) == Removed(files=1)


async def test_bytes_that_cannot_be_removed_stop_nothing(stores: Stores) -> None:
    stuck = await stored(stores)
    await stored(stores)
    path = stores.storage.path(1, stuck)
    path.unlink()
    path.mkdir()
    with capture_logs() as logs:
        assert await Cleanup().run(stores) == Removed(files=1)
    assert [line["file"] for line in logs if line["event"] == "file_bytes_left"] == [str(stuck)]
    assert await count(stores, "files") == 0


async def test_a_file_whose_owner_was_faster_is_not_counted(stores: Stores) -> None:
    removed = Removed()
    await retention._remove(FileRecords(stores), statements.OldFile(1, new_id(), is_named=False), removed)
    assert removed == Removed()
