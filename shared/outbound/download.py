"""One file from one URL of a user's, within limits of bytes and time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from io import BufferedWriter
from pathlib import Path

import httpx

from shared.domain.errors import Fatal, ProviderUnavailable
from shared.outbound.client import client_for
from shared.outbound.guard import resolve
from shared.outbound.retry_after import parse_retry_after
from shared.telemetry.current import outgoing

CHUNK_BYTES = 65_536
PASSING_STATUS = frozenset({408, 425, 429})


async def download(
    url: str,
    target: Path,
    *,
    allow: Sequence[str],
    max_bytes: int,
    timeout: float = 30.0,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Write the body at ``url`` to ``target``, or leave nothing there; ``timeout`` is for all of it.

    Raises:
        OutboundRefused: the guard refused the URL. Fatal: over ``max_bytes``, encoded, a redirect
            or a 4xx. ProviderUnavailable: 429, 5xx, a time-out or a broken connection.
            OSError: the disk refused.
    """
    try:
        async with asyncio.timeout(timeout):
            checked = await resolve(url, allow)
            async with (
                client_for(checked, timeout=timeout, tls=tls) as client,
                client.stream("GET", url, headers=outgoing()) as response,
            ):
                _judge(response, max_bytes)
                await _save(response, target, max_bytes)
    except TimeoutError as error:
        raise ProviderUnavailable(f"the download took longer than {timeout:g} s") from error
    except httpx.HTTPError as error:
        raise ProviderUnavailable(f"the download failed: {type(error).__name__}") from error


def _judge(response: httpx.Response, max_bytes: int) -> None:
    """Raise unless the response is a plain body of a size that may fit."""
    status = response.status_code
    if status in PASSING_STATUS or status >= 500:
        wait = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        raise ProviderUnavailable(f"the server answered {status}", retry_after=wait)
    if 300 <= status < 400:
        raise Fatal(f"the server answered {status}: redirects are not followed, give the final URL")
    if not 200 <= status < 300:
        raise Fatal(f"the server answered {status}")
    # Asked for identity; decoding what came all the same would open the door to bombs.
    if (encoding := response.headers.get("Content-Encoding", "identity").lower()) != "identity":
        raise Fatal(f"the body is encoded ({encoding[:20]}), which was not asked for")
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(max_bytes)


async def _save(response: httpx.Response, target: Path, max_bytes: int) -> None:
    file = await asyncio.to_thread(target.open, "wb")
    try:
        async for chunk in _bounded(response.aiter_raw(CHUNK_BYTES), max_bytes):
            await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(file.close)
    except BaseException:
        # A write whose waiter was cancelled may still run in its thread: the file's own lock makes
        # the close wait for it.
        await asyncio.shield(asyncio.to_thread(_discard, file, target))
        raise


def _discard(file: BufferedWriter, target: Path) -> None:
    try:
        file.close()
    finally:
        target.unlink(missing_ok=True)


async def _bounded(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        yield chunk


def _too_large(max_bytes: int) -> Fatal:
    return Fatal(f"the body is larger than {max_bytes} bytes")
