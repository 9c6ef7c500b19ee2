"""One task of each type at once, shown live as they run."""

from __future__ import annotations

import asyncio
from typing import Any

import service.client as sdk
from service.cli import samples
from service.cli.live import Shown, shown_live
from service.cli.output import note
from service.client.errors import ClientError
from service.client.models import Task

Ends = dict[str, Task | ClientError]
"""Task type → the finished task, or why there is none."""


def run_all(timeout: float) -> Ends:
    """Run one task of each type the service offers; each gets ``timeout`` seconds."""
    return asyncio.run(_run_all(timeout))


async def _run_all(timeout: float) -> Ends:
    async with sdk.AsyncClient() as client:
        offered = {kind.name for kind in await client.task_types()}
        files = {name: (await client.upload(make(), name=name)).id for name, make in samples.FILES.items()}
        inputs = samples.inputs(files)
        if left_out := sorted(inputs.keys() - offered):
            note(f"not offered by this service: {', '.join(left_out)}")
        chosen = [name for name in inputs if name in offered]
        ends: Ends = {}

        async def run(name: str) -> None:
            try:
                ends[name] = await _run_one(client, name, inputs[name], timeout, shown)
            except ClientError as error:
                # One type's trouble is shown in its row; the others go on.
                ends[name] = error

        with shown_live() as shown:
            async with asyncio.TaskGroup() as group:
                for name in chosen:
                    group.create_task(run(name))
        return {name: ends[name] for name in chosen}


async def _run_one(client: sdk.AsyncClient, name: str, given: dict[str, Any], timeout: float, shown: Shown) -> Task:
    task = await client.submit(name, given, tags=["demo"])
    shown(name, task)
    last = task
    async for last in client.watch(task.id, timeout):
        shown(name, last)
    return last
