"""One request to one URL of a user's, of which only the answer's status and one header are read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from shared.domain.errors import ProviderUnavailable
from shared.outbound.client import client_for
from shared.outbound.guard import resolve
from shared.outbound.retry_after import parse_retry_after


@dataclass(frozen=True, slots=True)
class Answered:
    """What the server said."""

    status: int
    retry_after: timedelta | None


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow: Sequence[str],
    timeout: float,
    tls: ssl.SSLContext | None = None,
) -> Answered:
    """Send ``body``; ``timeout`` is for all of it. A redirect is an answer like any other; its body stays unread.

    Raises:
        OutboundRefused: the guard refused the URL. ProviderUnavailable: no answer in time, or a broken connection.
    """
    try:
        async with asyncio.timeout(timeout):
            checked = await resolve(url, allow)
            async with (
                client_for(checked, timeout=timeout, tls=tls) as client,
                client.stream("POST", url, content=body, headers=headers) as response,
            ):
                wait = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
                return Answered(response.status_code, wait)
    except TimeoutError as error:
        raise ProviderUnavailable(f"no answer within {timeout:g} s") from error
    except httpx.HTTPError as error:
        raise ProviderUnavailable(f"no answer: {type(error).__name__}") from error
