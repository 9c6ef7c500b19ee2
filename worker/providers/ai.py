"""Which AI this worker has: the configured provider, or else the embedded model."""

from __future__ import annotations

from typing import Protocol

from shared.domain.errors import MissingExtra
from shared.domain.run import AI
from shared.settings import Settings
from worker.providers import embedded_model
from worker.providers.embedded_model import EmbeddedModel
from worker.providers.openai_compatible import OpenAICompatible, provider_client


class ClosableAI(AI, Protocol):
    """An AI, and the end of it."""

    async def close(self) -> None: ...


def make_ai(settings: Settings) -> ClosableAI:
    """The AI of these settings; nothing is connected or started before its first use.

    Raises:
        ConfigurationError: the key cannot stand in a header.
    """
    if settings.ai_base_url is None:
        return EmbeddedModel()
    key = settings.ai_api_key.get_secret_value().strip() if settings.ai_api_key else ""
    return OpenAICompatible(provider_client(settings.ai_base_url, key), model=settings.ai_model, secret=key)


def what_is_lacking(settings: Settings) -> dict[str, str]:
    """Why task types that require ``ai`` cannot be served here, by that requirement; empty: they can."""
    extra = embedded_model.missing_extra() if settings.ai_base_url is None else None
    return {} if extra is None else {"ai": str(MissingExtra(extra, "the embedded model"))}
