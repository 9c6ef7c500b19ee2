"""Mail: one Message-ID per task, and no way from an address or a subject into the headers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.tasks.send_notification_email import EmailInput, EmailOutput, send_notification_email
from shared.testing import FakeRun


def mail(**given: Any) -> EmailInput:
    return EmailInput.model_validate({"to": "ada@example.com", "subject": "Hi", "body": "…", **given})


async def test_a_mail_goes_out_under_an_id_made_of_the_task_id(run: FakeRun) -> None:
    result = await send_notification_email(run.awaited, mail())
    message_id = f"<{run.task_id}@taskrunner>"
    assert result == EmailOutput(message_id=message_id, accepted=["ada@example.com"])
    assert run.mail.sent == [{"to": ["ada@example.com"], "subject": "Hi", "body": "…", "message_id": message_id}]


async def test_every_attempt_has_the_same_message_id(run: FakeRun) -> None:
    await send_notification_email(run.awaited, mail())
    run.attempt = 2
    await send_notification_email(run.awaited, mail())
    assert len({sent["message_id"] for sent in run.mail.sent}) == 1


async def test_a_repeated_address_gets_one_mail_and_a_refused_one_is_not_among_the_accepted(
    run: FakeRun,
) -> None:
    run.mail.refused = frozenset({"b@x.org"})
    result = await send_notification_email(run.awaited, mail(to=["a@x.org", "b@x.org", "a@x.org"]))
    assert result.accepted == ["a@x.org"]
    assert run.mail.sent[0]["to"] == ["a@x.org", "b@x.org"]
    assert run.log.events == ["recipients_refused"]


@pytest.mark.parametrize(
    "to",
    [
        "ada",
        "ada@",
        "@example.com",
        "a@b@c",
        "a b@c.org",
        "a@c.org\r\nBcc: d@e.org",
        "a@c.org\n",
        "<a@c.org>",
        "a@c.org,d@e.org",
        "a\x00@c.org",
        "a\u2028@c.org",
        "x" * 250 + "@c.org",
        [],
        ["a@c.org"] * 51,
        ["a@c.org", "b"],
        None,
    ],
)
def test_what_is_no_address_is_refused(to: Any) -> None:
    with pytest.raises(ValidationError):
        mail(to=to)


@pytest.mark.parametrize("subject", ["", "a\nb", "a\rb", "a\x00b", "a\u2028b", "a\x85b", "x" * 999])
def test_a_subject_is_one_line(subject: str) -> None:
    with pytest.raises(ValidationError):
        mail(subject=subject)


def test_a_body_is_bounded() -> None:
    with pytest.raises(ValidationError):
        mail(body="x" * 200_001)
    assert mail(body="").body == ""


@pytest.mark.parametrize("to", ["ada@example.com", "a+b.c@localhost", "jörg@exämple.de", ["a@b.c", "d@e.f"]])
def test_usual_addresses_are_taken(to: Any) -> None:
    assert mail(to=to, subject="Grüße – 日本").to == to
