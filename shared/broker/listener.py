"""Listen on one channel for task ids, for as long as the process lives, through every outage of Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from uuid import UUID

from shared.broker.connection import OUTAGE, channel_of, connect
from shared.logs import get_logger

RECONNECT_SECONDS = 0.5
log = get_logger(__name__)


async def listen(url: str, channel: str, heard: Callable[[UUID], None]) -> None:
    """Call ``heard`` with each id published on ``channel`` of the URL's database; a message may hold many.

    Runs until cancelled; what it misses is polled for.
    """
    await listen_to_words(url, channel, lambda word: heard(UUID(word)))


async def listen_to_words(url: str, channel: str, heard: Callable[[str], None]) -> None:
    """The same, for what is more than an id; a word that ``heard`` refuses with ValueError is passed over."""
    while True:
        client = connect(url, socket_timeout=None)
        try:
            async with client.pubsub() as subscription:
                await subscription.subscribe(channel_of(client, channel))
                async for message in subscription.listen():
                    if message["type"] == "message":
                        _hear(message["data"], heard)
        except OUTAGE as error:
            log.debug("listener_lost_redis", channel=channel, error=type(error).__name__)
        finally:
            with contextlib.suppress(*OUTAGE):
                await client.aclose()
        await asyncio.sleep(RECONNECT_SECONDS)


def _hear(data: bytes, heard: Callable[[str], None]) -> None:
    for word in data.decode(errors="replace").split():
        with contextlib.suppress(ValueError):  # not ours: somebody else publishes on the channel
            heard(word)
