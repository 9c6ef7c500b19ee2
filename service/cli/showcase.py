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
        if not await client.workers():
            note("no worker lives, so these will wait: start one with: taskrunner worker")
        files = {name: (await client.upload(make(), name=name)).id for name, make in samples.FILES.items()}
        inputs = samples.inputs(files)
        if left_out := sorted(inputs.keys() - offered):
            note(f"not offered by this service: {', '.join(left_out)}")
        chosen = [name for name in inputs if name in offered]
        with shown_live() as shown:
            ends = await _run_each(client, {name: inputs[name] for name in chosen}, timeout, shown)
        return {name: ends[name] for name in chosen}


async def _run_each(client: sdk.AsyncClient, inputs: dict[str, Any], timeout: float, shown: Shown) -> Ends:
    """Submit in order, so that the bars stand in order, and watch them all; one's trouble is its own."""
    ends: Ends = {}

    async def watch(name: str, task_id: str) -> None:
        try:
            async for task in client.watch(task_id, timeout):
                shown(name, task)
                ends[name] = task
        except ClientError as error:
            ends[name] = error

    async with asyncio.TaskGroup() as group:
        for name, given in inputs.items():
            try:
                task = await client.submit(name, given, tags=["demo"])
            except ClientError as error:
                ends[name] = error
                continue
            shown(name, task)
            group.create_task(watch(name, task.id))
    return ends
