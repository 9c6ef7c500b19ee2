"""A real SMTP server (aiosmtpd) on loopback that keeps what it is sent and refuses what it is told to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


@dataclass(frozen=True, slots=True)
class Delivered:
    """One mail as it came in."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    raw: bytes = field(repr=False)


class SmtpServer:
    """``async with SmtpServer() as server``; replies like ``"550 no"`` stand in for the usual "250"."""

    def __init__(self, *, username: str | None = None, password: str | None = None) -> None:
        self.mails: list[Delivered] = []
        self.refuse_sender: str | None = None
        self.refuse_data: str | None = None
        self.refuse_recipients: dict[str, str] = {}
        self.drops_at_data = False
        self._credentials = (username, password) if username else None
        self._connections: list[SMTP] = []

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(self._connect, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            _abort(connection)
        await self._server.wait_closed()

    def _connect(self) -> SMTP:
        auth: dict[str, Any] = {}
        if self._credentials is not None:
            auth = {"authenticator": self._authenticate, "auth_require_tls": False}
        connection = SMTP(self, enable_SMTPUTF8=True, **auth)
        self._connections.append(connection)
        return connection

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        # Not handled: aiosmtpd is to say 535 itself.
        return AuthResult(success=given == self._credentials, handled=False)

    # The names are aiosmtpd's.
    async def handle_MAIL(  # noqa: N802
        self, _server: Any, session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if self._credentials is not None and not session.authenticated:
            return "530 authentication required"
        if self.refuse_sender is not None:
            return self.refuse_sender
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if address in self.refuse_recipients:
            return self.refuse_recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.drops_at_data:
            _abort(server)
        if self.refuse_data is not None:
            return self.refuse_data
        message = message_from_bytes(envelope.content, policy=default)
        self.mails.append(Delivered(envelope.mail_from, list(envelope.rcpt_tos), message, envelope.content))
        return "250 OK"


def _abort(connection: SMTP) -> None:
    if isinstance(connection.transport, asyncio.Transport):
        connection.transport.abort()
