"""What an OpenAI-compatible server says, read leniently: no two of them fill in the same fields."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.domain.errors import Fatal, ProviderUnavailable, RateLimited, describe
from shared.domain.run import Usage

MESSAGE_LENGTH = 500
TOO_MANY = 429
PASSING_STATUS = frozenset({408, 409, 425, TOO_MANY})
# In a stream the status is long sent; these types are the caller's fault, any other may pass.
LASTING_KINDS = frozenset(
    {
        "authentication_error",
        "content_filter",
        "exceed_context_size_error",
        "insufficient_quota",
        "invalid_request_error",
        "not_found_error",
        "not_supported_error",
        "permission_error",
    }
)


class ProviderRefused(Fatal):
    """The AI provider will not answer this. ``kind`` is its own name for the reason, if it has one."""

    code = "provider_refused"

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Piece(Wire):
    content: str | None = None


class Choice(Wire):
    delta: Piece | None = None
    message: Piece | None = None
    finish_reason: str | None = None


class Counts(Wire):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None

    def usage(self) -> Usage:
        """What is missing counts as zero, a missing total is the sum."""
        prompt, completion = self.prompt_tokens or 0, self.completion_tokens or 0
        return Usage(prompt, completion, self.total_tokens or prompt + completion)


class Chunk(Wire):
    """One event of a streamed answer, or a whole answer that was not streamed."""

    model: str | None = None
    choices: list[Choice] | None = None
    usage: Counts | None = None
    error: Any = None


def refusal(status: int, error: Any, *, secret: str = "", retry_after: timedelta | None = None) -> Exception:
    """The exception for an answer of ``status`` with the body ``error``; ``secret`` never gets into it."""
    message, kind = _explain(error)
    if secret:
        message = message.replace(secret, "***")
    text = f"the AI provider answered {status}: {describe(message, MESSAGE_LENGTH)}"
    if status == TOO_MANY and retry_after is not None:
        return RateLimited(text, retry_after=retry_after)
    if status in PASSING_STATUS or status >= 500:
        return ProviderUnavailable(text, retry_after=retry_after)
    return ProviderRefused(text, kind)


def stream_status(error: Any) -> int:
    """The HTTP status an error inside a stream stands for."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and 400 <= code < 600:
        return code
    _, kind = _explain(error)
    return 400 if kind in LASTING_KINDS or code in LASTING_KINDS else 500


def _explain(error: Any) -> tuple[str, str]:
    """Message and kind out of any of the shapes in use."""
    if isinstance(error, dict) and isinstance(error.get("error"), (dict, str)):
        error = error["error"]
    if isinstance(error, dict):
        message = error.get("message") or error.get("detail") or "no reason given"
        return str(message), str(error.get("type") or error.get("code") or "")
    return str(error or "no reason given"), ""
