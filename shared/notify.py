"""Says ``READY=1`` to whoever started this process and asked for it: systemd's protocol, and ``taskrunner up``'s."""

from __future__ import annotations

import contextlib
import os
import socket

READY = b"READY=1"
VARIABLE = "NOTIFY_SOCKET"


def is_asked_for() -> bool:
    return bool(os.environ.get(VARIABLE))


def say_ready() -> None:
    """Tell it, where somebody asked. Whoever does not listen any more is not waited for."""
    address = os.environ.get(VARIABLE)
    if not address:
        return
    if address.startswith("@"):  # a name in Linux's abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker, contextlib.suppress(OSError):
        speaker.setblocking(False)
        speaker.sendto(READY, address)
