"""Loopback ports: a free one, or the one asked for."""

from __future__ import annotations

import socket

from shared.domain.errors import ConfigurationError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port nobody listens on now. The kernel hands them out at random, so a race for it is improbable."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int, what: str, host: str = LOOPBACK) -> None:
    """Raises: ConfigurationError, in one line, when ``host:port`` cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: a port in TIME_WAIT is free, one that is listened on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ConfigurationError(f"{what} cannot listen on {host}:{port}: {reason}") from None
