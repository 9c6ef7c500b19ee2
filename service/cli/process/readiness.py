"""When a child of ours is ready: it says so, or takes connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shared.embedded.ports import LOOPBACK
from shared.embedded.server import until_answered
from shared.notify import READY, VARIABLE

READY_TIMEOUT_S = 60.0
LONGEST_MESSAGE = 4_096


class ReadyMessage:
    """Where one child says ``READY=1``. Its own word, as an answer on a shared port may be its predecessor's."""

    def __init__(self) -> None:
        self._path = Path(tempfile.mkdtemp(prefix="taskrunner-")) / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self._path))

    @property
    def env(self) -> Mapping[str, str]:
        """What the child must be given."""
        return {VARIABLE: str(self._path)}

    async def heard(self) -> None:
        """Return once the child is ready, and listen no more. Raises: TimeoutError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while READY not in (await loop.sock_recv(self._socket, LONGEST_MESSAGE)).splitlines():
                    pass
        except TimeoutError:
            raise TimeoutError(f"no word within {READY_TIMEOUT_S:g} s") from None
        finally:
            self._close()

    def _close(self) -> None:
        self._socket.close()
        with contextlib.suppress(OSError):  # somebody tidied up the temporary files
            self._path.unlink()
            self._path.parent.rmdir()


async def accepts(port: int) -> None:
    """Return once something listens on ``port``. Raises: TimeoutError."""

    async def probe() -> None:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.close()

    await until_answered(probe, (OSError,), READY_TIMEOUT_S)
