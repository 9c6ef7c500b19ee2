"""The API's listening socket as an inherited descriptor, so that it outlives each API process. Serves nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from shared.domain.errors import ConfigurationError

FIRST_PASSED = 3
"""Where systemd's descriptors begin."""


def passed_by_systemd(environment: Mapping[str, str]) -> int | None:
    """The descriptor of socket activation, where this process was started by it. Raises: ConfigurationError."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    if environment.get("LISTEN_FDS") != "1":
        raise ConfigurationError("the API takes one socket of systemd's: name one ListenStream= in its socket unit")
    return FIRST_PASSED


def host_of(descriptor: int) -> str | None:
    """The address an inherited socket is bound to; None for a Unix socket. Raises: ConfigurationError."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as inherited:
            if inherited.type != socket.SOCK_STREAM:
                raise ConfigurationError(f"--fd {descriptor} is no stream socket")
            name = inherited.getsockname()
    except OSError as error:
        raise ConfigurationError(f"--fd {descriptor} is no socket: {error.strerror}") from None
    return str(name[0]) if isinstance(name, tuple) else None
