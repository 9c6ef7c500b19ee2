"""Mail over the configured SMTP server; one connection a mail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

import aiosmtplib

from shared.domain.errors import Fatal, ProviderUnavailable, describe
from shared.settings import Settings

TIMEOUT = 30.0
# One bare address: what else an entry could hold would become further recipients or headers.
ADDRESS = re.compile(r"""[^\s\x00-\x1f\x7f<>()\[\],;:\\"@]+@[^\s\x00-\x1f\x7f<>(),;\\"@]+""")
DEFAULT_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where and how to connect. ``smtp`` stays in plain text: say ``smtp+starttls`` or ``smtps`` for TLS."""

    scheme: str
    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)


def parse_smtp_url(url: str) -> SmtpServer:
    """``scheme://[user:password@]host[:port]``, user and password percent-encoded."""
    parts = urlsplit(url)
    return SmtpServer(
        scheme=parts.scheme,
        host=parts.hostname or "localhost",
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def make_mail(settings: Settings) -> SmtpMail:
    """The mail of these settings; nothing is connected before its first use."""
    url = settings.smtp_url
    return SmtpMail(url.get_secret_value() if url else None, settings.mail_from)


class SmtpMail:
    """Sends as ``sender``; ``url`` None means that no server is configured, and every mail fails."""

    def __init__(self, url: str | None, sender: str) -> None:
        self._server = parse_smtp_url(url) if url else None
        self._sender = sender

    async def send(self, *, to: Sequence[str], subject: str, body: str, message_id: str) -> list[str]:
        if self._server is None:
            raise Fatal("no mail server is configured: set TASKRUNNER_SMTP_URL")
        try:
            message = _compose(self._sender, to, subject, body, message_id)
            refused = await _deliver(self._server, message, to)
        except aiosmtplib.SMTPRecipientsRefused as error:
            # One address that may be taken later makes the mail worth another try.
            raise _judge(min((each.code, each.message) for each in error.recipients)) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _judge((error.code, error.message)) from error
        except (aiosmtplib.SMTPNotSupported, ValueError, MessageError) as error:
            # Among the ValueErrors: a line break in a header, an address that is none.
            raise Fatal(f"this mail cannot be sent: {describe(error, 300)}") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ProviderUnavailable(f"the mail server failed: {describe(error, 300)}") from error
        return [address for address in to if address not in refused]


def _compose(sender: str, to: Sequence[str], subject: str, body: str, message_id: str) -> EmailMessage:
    if not to or not all(ADDRESS.fullmatch(address) for address in to):
        raise ValueError("each recipient must be one bare address, name@host")
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = message_id
    message.set_content(body)
    return message


async def _deliver(server: SmtpServer, message: EmailMessage, to: Sequence[str]) -> set[str]:
    """Send; returns the recipients refused while others were accepted."""
    refused, _ = await aiosmtplib.send(
        message,
        recipients=list(to),
        hostname=server.host,
        port=server.port,
        username=server.username,
        password=server.password,
        use_tls=server.scheme == "smtps",
        start_tls=server.scheme == "smtp+starttls",
        timeout=TIMEOUT,
    )
    return set(refused)


def _judge(reply: tuple[int, str]) -> Exception:
    code, text = reply
    message = f"the mail server answered {code}: {describe(text, 300)}"
    return Fatal(message) if 500 <= code < 600 else ProviderUnavailable(message)
