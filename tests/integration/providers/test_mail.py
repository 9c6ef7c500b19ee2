"""Mail through a real SMTP server on loopback, accepted and refused at each of its steps."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.errors import Fatal, ProviderUnavailable
from tests.support.smtp_server import SmtpServer
from worker.providers.mail import SmtpMail, parse_smtp_url

FROM = "Task Runner <taskrunner@example.test>"
MAIL: dict[str, Any] = {
    "to": ["ann@example.test"],
    "subject": "Done",
    "body": "Your task is done.\n",
    "message_id": "<0190-task@example.test>",
}


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as server:
        yield server


async def test_a_mail_arrives_as_written(server: SmtpServer) -> None:
    mail = {**MAIL, "to": ["ann@example.test", "bob@example.test"], "subject": "完成 ✓", "body": "Größe\n.\n..dots\n"}
    assert await SmtpMail(server.url, FROM).send(**mail) == mail["to"]
    (delivered,) = server.mails
    message = delivered.message
    assert delivered.sender == "taskrunner@example.test"
    assert delivered.recipients == mail["to"]
    assert (message["From"], message["To"]) == (FROM, "ann@example.test, bob@example.test")
    assert (message["Subject"], message["Message-ID"]) == ("完成 ✓", "<0190-task@example.test>")
    assert abs(message["Date"].datetime - datetime.now(UTC)) < timedelta(minutes=1)
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n") == mail["body"]


async def test_a_recipient_refused_beside_others_is_left_out_of_the_answer(server: SmtpServer) -> None:
    server.refuse_recipients["gone@example.test"] = "550 no such user"
    mail = {**MAIL, "to": ["gone@example.test", "ann@example.test"]}
    assert await SmtpMail(server.url, FROM).send(**mail) == ["ann@example.test"]


async def test_addresses_beyond_ascii_are_delivered_where_the_server_takes_them(server: SmtpServer) -> None:
    mail = {**MAIL, "to": ["jörg@example.test", "ann@münchen.test"]}
    assert await SmtpMail(server.url, FROM).send(**mail) == mail["to"]
    assert server.mails[0].recipients == mail["to"]


@pytest.mark.parametrize(
    ("refusals", "raised"),
    [
        (["550 no such user"], Fatal),
        (["451 greylisted"], ProviderUnavailable),
        (["550 no such user", "451 greylisted"], ProviderUnavailable),
    ],
)
async def test_all_recipients_refused_is_final_unless_one_may_pass_later(
    server: SmtpServer, refusals: list[str], raised: type[Exception]
) -> None:
    to = [f"r{number}@example.test" for number in range(len(refusals))]
    server.refuse_recipients = dict(zip(to, refusals, strict=True))
    with pytest.raises(raised):
        await SmtpMail(server.url, FROM).send(**{**MAIL, "to": to})
    assert server.mails == []


@pytest.mark.parametrize(("step", "reply"), [("refuse_sender", "553 not you"), ("refuse_data", "554 spam")])
async def test_a_5xx_is_final(server: SmtpServer, step: str, reply: str) -> None:
    setattr(server, step, reply)
    with pytest.raises(Fatal, match=reply.replace(" ", ": ", 1)):
        await SmtpMail(server.url, FROM).send(**MAIL)


@pytest.mark.parametrize(("step", "reply"), [("refuse_sender", "451 later"), ("refuse_data", "452 disk full")])
async def test_a_4xx_is_worth_a_retry(server: SmtpServer, step: str, reply: str) -> None:
    setattr(server, step, reply)
    with pytest.raises(ProviderUnavailable, match=reply.replace(" ", ": ", 1)):
        await SmtpMail(server.url, FROM).send(**MAIL)


async def test_a_connection_that_breaks_is_worth_a_retry(server: SmtpServer) -> None:
    server.drops_at_data = True
    with pytest.raises(ProviderUnavailable):
        await SmtpMail(server.url, FROM).send(**MAIL)


async def test_nobody_listening_is_worth_a_retry() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ProviderUnavailable):
            await SmtpMail(f"smtp://127.0.0.1:{held.getsockname()[1]}", FROM).send(**MAIL)


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
async def test_a_server_without_the_tls_that_was_asked_for_gets_no_mail(server: SmtpServer, scheme: str) -> None:
    with pytest.raises((Fatal, ProviderUnavailable)):
        await SmtpMail(f"{scheme}://127.0.0.1:{server.port}", FROM).send(**MAIL)
    assert server.mails == []


async def test_user_and_password_are_decoded_and_used() -> None:
    async with SmtpServer(username="ann@x", password="p:/ß") as server:
        url = f"smtp://ann%40x:p%3A%2F%C3%9F@127.0.0.1:{server.port}"
        await SmtpMail(url, FROM).send(**MAIL)
        assert len(server.mails) == 1


async def test_a_wrong_password_is_final_and_not_shown() -> None:
    async with SmtpServer(username="ann", password="right") as server:
        with pytest.raises(Fatal, match="535") as raised:
            await SmtpMail(f"smtp://ann:wr0ng@127.0.0.1:{server.port}", FROM).send(**MAIL)
    assert "wr0ng" not in str(raised.value)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Hi\r\nBcc: evil@example.test"},
        {"subject": "Hi\nBcc: evil@example.test"},
        {"to": ["ann@example.test\r\nBcc: evil@example.test"]},
        {"to": ["ann@example.test>\r\nRCPT TO:<evil@example.test"]},
        {"to": ["ann@example.test, evil@example.test"]},
        {"to": ["not an address"]},
        {"to": [""]},
        {"to": []},
        {"message_id": "<a@b>\r\nX: y"},
        {"subject": "\ud800"},
        {"body": "\ud800"},
    ],
)
async def test_what_could_forge_a_header_or_a_recipient_is_refused_unsent(
    server: SmtpServer, change: dict[str, Any]
) -> None:
    with pytest.raises(Fatal):
        await SmtpMail(server.url, FROM).send(**{**MAIL, **change})
    assert server.mails == []


async def test_without_a_server_the_setting_is_named() -> None:
    with pytest.raises(Fatal, match="TASKRUNNER_SMTP_URL"):
        await SmtpMail(None, FROM).send(**MAIL)


@pytest.mark.parametrize(
    ("url", "host", "port", "username"),
    [
        ("smtp://mail.example.test", "mail.example.test", 25, None),
        ("smtps://u:p@mail.example.test", "mail.example.test", 465, "u"),
        ("smtp+starttls://u:p@mail.example.test", "mail.example.test", 587, "u"),
        ("smtp://[::1]:2525", "::1", 2525, None),
    ],
)
def test_every_form_of_the_url_is_read(url: str, host: str, port: int, username: str | None) -> None:
    parsed = parse_smtp_url(url)
    assert (parsed.host, parsed.port, parsed.username) == (host, port, username)
    assert "'p'" not in repr(parsed)
