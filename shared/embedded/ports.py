"""Loopback ports: a free one, or the one asked for."""

from __future__ import annotations

import errno
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
    bound_socket(port, what, host).close()


def bound_socket(port: int, what: str, host: str = LOOPBACK) -> socket.socket:
    """A socket that holds ``host:port``, and refuses callers until it listens. Raises: ConfigurationError."""
    holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    # As servers do: a port in TIME_WAIT is free, one that is listened on is not.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. A server that is handed the socket may not know that it is TCP.
    holder.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        holder.bind((host, port))
    except OSError as error:
        holder.close()
        reason = (error.strerror or str(error)).lower()
        advice = " (end what listens there, or take another port)" if error.errno == errno.EADDRINUSE else ""
        raise ConfigurationError(f"{what} cannot listen on {host}:{port}: {reason}{advice}") from None
    return holder
