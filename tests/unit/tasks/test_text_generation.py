"""Text generation: what the model is asked, what is streamed while it answers, and what is refused before."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.domain.errors import ProviderUnavailable
from shared.domain.run import ChatMessage
from shared.tasks.text_generation import TextGenerationInput, TextGenerationOutput, text_generation
from shared.testing import FakeRun


async def answer(run: FakeRun, **given: Any) -> TextGenerationOutput:
    result = await text_generation(run.awaited, TextGenerationInput.model_validate(given))
    assert isinstance(result, TextGenerationOutput)
    return result


async def test_the_answer_carries_the_model_that_answered_and_its_usage(run: FakeRun) -> None:
    result = await answer(run, prompt="Hi", model="asked-for")
    assert result.model_dump() == {
        "text": "Hello, world",
        "model": "fake-1",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


async def test_each_piece_is_streamed_and_counted(run: FakeRun) -> None:
    await answer(run, prompt="Hi", max_tokens=4)
    assert run.emitted == ["Hello", ", ", "world"]
    assert run.progressed == [(25.0, "1 token"), (50.0, "2 tokens"), (75.0, "3 tokens"), (100, "3 tokens")]


async def test_progress_stays_below_100_until_the_end(run: FakeRun) -> None:
    run.ai.pieces = ["x"] * 50
    await answer(run, prompt="Hi", max_tokens=10)
    assert [percent for percent, _ in run.progressed][10:-1] == [99.0] * 40


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"prompt": "Hi"}, [("user", "Hi")]),
        ({"prompt": "Hi", "system": "Be brief"}, [("system", "Be brief"), ("user", "Hi")]),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "system": "s"},
            [("system", "s"), ("user", "a"), ("assistant", "b")],
        ),
    ],
)
async def test_the_conversation_is_handed_on_in_order(
    run: FakeRun, given: dict[str, Any], asked: list[tuple[str, str]]
) -> None:
    await answer(run, **given, model="m", max_tokens=9, temperature=0.5)
    assert run.ai.asked == [
        {"messages": [ChatMessage(*turn) for turn in asked], "model": "m", "max_tokens": 9, "temperature": 0.5}
    ]


async def test_what_a_row_cannot_hold_is_escaped_in_the_text(run: FakeRun) -> None:
    run.ai.pieces = ["a\x00b", "\ud800"]
    assert (await answer(run, prompt="Hi")).text == "a\\x00b\\ud800"


async def test_a_provider_that_is_away_is_a_connection_error(run: FakeRun) -> None:
    run.ai.fails_with = ProviderUnavailable("429")
    with pytest.raises(ConnectionError):
        await answer(run, prompt="Hi")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"prompt": "a", "messages": [{"role": "user", "content": "b"}]},
        {"prompt": ""},
        {"prompt": "x" * 200_001},
        {"messages": []},
        {"messages": [{"role": "tool", "content": "b"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"prompt": "a", "max_tokens": 0},
        {"prompt": "a", "max_tokens": 32_769},
        {"prompt": "a", "max_tokens": "5"},
        {"prompt": "a", "temperature": 2.1},
        {"prompt": "a", "temperature": float("nan")},
        {"prompt": "a", "top_p": 1},
        {"prompt": "a", "model": ""},
    ],
)
def test_input_out_of_bounds_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TextGenerationInput.model_validate(given)
