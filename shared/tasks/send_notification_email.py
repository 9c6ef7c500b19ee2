"""``send_notification_email``: one plain-text mail. Owns what an acceptable header is; SMTP is ``run.mail``'s."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from shared.tasks import Run, TaskModel, task

MOST_RECIPIENTS = 50
FORBIDDEN_IN_ADDRESS = frozenset('<>()[],;:\\"')
LINE_BREAKING = frozenset({"Cc", "Zl", "Zp", "Cs"})
"""Unicode categories that could end a header line, or have no encoding: controls, separators, surrogates."""


def _is_header_safe(text: str) -> bool:
    return not any(unicodedata.category(character) in LINE_BREAKING for character in text)


def _address(text: str) -> str:
    # Deliberately simple: the mail server is the judge, this only keeps header and envelope injection out.
    local, at, domain = text.partition("@")
    odd = any(character.isspace() or character in FORBIDDEN_IN_ADDRESS for character in text)
    if not (local and at and domain) or "@" in domain or odd or not _is_header_safe(text):
        raise ValueError("not an e-mail address: name@host, no spaces, control characters or brackets")
    return text


def _subject(text: str) -> str:
    if not _is_header_safe(text):
        raise ValueError("a subject is one line without control characters")
    return text


Address = Annotated[str, Field(min_length=3, max_length=254), AfterValidator(_address)]


class EmailInput(TaskModel):
    """A plain-text mail."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"to": "ada@example.com", "subject": "Your report is ready", "body": "Hello Ada, …"}]
        }
    )

    to: Address | Annotated[list[Address], Field(min_length=1, max_length=MOST_RECIPIENTS)] = Field(
        description=f"One address, or up to {MOST_RECIPIENTS}.", examples=["ada@example.com", ["a@example.com"]]
    )
    subject: Annotated[str, AfterValidator(_subject)] = Field(
        min_length=1, max_length=998, description="One line.", examples=["Your report is ready"]
    )
    body: str = Field(max_length=200_000, description="Plain text.")


class EmailOutput(TaskModel):
    """What the mail server took."""

    message_id: str = Field(description="The Message-ID header, derived from the task id: the same on every attempt.")
    accepted: list[str] = Field(description="The addresses the server accepted.")


@task(type="send_notification_email", queue="demo_tasks", timeout=60, max_attempts=4)
async def send_notification_email(run: Run, given: EmailInput) -> EmailOutput:
    """Send a plain-text e-mail over SMTP.

    A second attempt carries the same Message-ID, so mail servers and readers can drop the double.
    """
    recipients = list(dict.fromkeys([given.to] if isinstance(given.to, str) else given.to))
    message_id = f"<{run.task_id}@taskrunner>"
    run.progress(10, f"sending to {len(recipients)}")
    accepted = await run.mail.send(to=recipients, subject=given.subject, body=given.body, message_id=message_id)
    if len(accepted) < len(recipients):
        run.log.warning("recipients_refused", refused=len(recipients) - len(accepted))
    return EmailOutput(message_id=message_id, accepted=accepted)
