"""``text_generation``: an answer from a language model, streamed. Which model, and how to reach it, is ``run.ai``'s."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from shared.domain.errors import describe
from shared.tasks import ChatMessage, Run, TaskModel, task

Text = Annotated[str, Field(min_length=1, max_length=200_000)]

USUAL_TOKENS = 512
"""What progress is measured against where the input names no limit."""


class Message(TaskModel):
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"] = Field(description="Whose turn it is.")
    content: Text = Field(description="What was said.")


class TextGenerationInput(TaskModel):
    """Exactly one of ``prompt`` and ``messages``, and how to answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "Explain what a queue is, in one sentence.", "max_tokens": 100},
                {"messages": [{"role": "user", "content": "Hello!"}], "system": "Answer in French.", "temperature": 0},
            ]
        }
    )

    prompt: Text | None = Field(default=None, description="What to answer; or give messages.")
    messages: Annotated[list[Message], Field(min_length=1, max_length=1_000)] | None = Field(
        default=None, description="The conversation so far, oldest first; or give prompt."
    )
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="The model to ask; the worker's default where absent."
    )
    system: Text | None = Field(default=None, description="Instructions put before everything else.")
    max_tokens: Annotated[int, Field(strict=True, ge=1, le=32_768)] | None = Field(
        default=None, description="The longest answer, in tokens.", examples=[256]
    )
    temperature: Annotated[float, Field(strict=True, ge=0, le=2, allow_inf_nan=False)] | None = Field(
        default=None, description="0: the likeliest answer; higher: more varied.", examples=[0.7]
    )

    @model_validator(mode="after")
    def _prompt_or_messages(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give exactly one of prompt and messages")
        return self

    def conversation(self) -> list[ChatMessage]:
        """What the model is asked, ``system`` first."""
        turns = [ChatMessage("system", self.system)] if self.system is not None else []
        if self.prompt is not None:
            return [*turns, ChatMessage("user", self.prompt)]
        return [*turns, *(ChatMessage(m.role, m.content) for m in self.messages or [])]


class TokenUsage(TaskModel):
    """Tokens, as the provider counted them."""

    prompt_tokens: int = Field(description="Of what was asked.")
    completion_tokens: int = Field(description="Of the answer.")
    total_tokens: int = Field(description="Both together.")


class TextGenerationOutput(TaskModel):
    """The answer."""

    text: str = Field(description="What the model said.")
    model: str = Field(description="The model that answered.")
    finish_reason: str | None = Field(
        description="Why it ended: stop, length, …; null where the provider says nothing."
    )
    usage: TokenUsage = Field(description="What it cost.")


@task(type="text_generation", queue="ai_processing", timeout=300, max_attempts=4, requires=("ai",))
async def text_generation(run: Run, given: TextGenerationInput) -> TextGenerationOutput:
    """Answer a prompt or a conversation with a language model; tokens stream as ``output`` events.

    Raises: what ``run.ai.generate`` raises.
    """
    expected = given.max_tokens or USUAL_TOKENS
    pieces = 0

    def on_delta(delta: str) -> None:
        nonlocal pieces
        pieces += 1
        run.emit(delta)
        # A piece is about a token; how many will come nobody knows, so 100 is left to the end.
        run.progress(min(99.0, 100.0 * pieces / expected), _tokens(pieces))

    completion = await run.ai.generate(
        given.conversation(),
        model=given.model,
        max_tokens=given.max_tokens,
        temperature=given.temperature,
        on_delta=on_delta,
    )
    usage = completion.usage
    run.progress(100, _tokens(usage.completion_tokens))
    return TextGenerationOutput(
        # A model may say anything, a NUL or half a surrogate pair too; a row can't hold them.
        text=describe(completion.text, limit=len(completion.text) * 6),
        model=completion.model,
        finish_reason=completion.finish_reason,
        usage=TokenUsage(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            total_tokens=usage.total_tokens,
        ),
    )


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count} tokens"
