"""When a child of ours is ready: it answers over HTTP, or takes connections."""

from __future__ import annotations

import asyncio

import httpx

from shared.embedded.ports import LOOPBACK
from shared.embedded.server import until_answered

READY_TIMEOUT_S = 60.0


async def answers(url: str) -> None:
    """Return once ``url`` answers with success. Raises: TimeoutError."""

    async def probe() -> None:
        (await client.get(url)).raise_for_status()

    # Not through a proxy the environment may name: it is our own child.
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        await until_answered(probe, (httpx.HTTPError,), READY_TIMEOUT_S)


async def accepts(port: int) -> None:
    """Return once something listens on ``port``. Raises: TimeoutError."""

    async def probe() -> None:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.close()

    await until_answered(probe, (OSError,), READY_TIMEOUT_S)
