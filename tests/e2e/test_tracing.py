"""Traces as a collector sees them: one from the request to the model, and no harm from a collector that is broken."""

from __future__ import annotations

import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from shared.embedded.ports import free_port
from tests.e2e.conftest import Service, environment, facts_of
from tests.support.ai_server import MODEL, AIServer
from tests.support.collector import Collector, Seen
from tests.support.processes import Processes
from tests.support.servers import Servers

KEY, PROMPT, SPOKEN = "sk-traces-0123456789", "a prompt nobody else shall read", "Hello, world"
CALCULATION = {"a": 1, "b": 2, "operation": "add"}
SUM = {"type": "simple_calculation", "input": CALCULATION}
CALLER = "00f067aa0ba902b7"
END_SECONDS = 20
"""The SDK alone would wait 30 s for a collector that does not answer."""


@dataclass(frozen=True)
class Traced:
    """A service whose spans go to ``collector`` and whose prompts go to ``ai``."""

    service: Service
    collector: Collector
    ai: AIServer

    async def done(self, path: str, body: Mapping[str, Any], *, sampled: bool = True) -> str:
        """Post ``body`` in a new trace, and wait for all it submitted; the trace's id."""
        trace = secrets.token_hex(16)
        header = f"00-{trace}-{CALLER}-{sampled:02d}"
        async with self.service.client() as client, self.http() as http:
            answer = await http.post(f"/api/v1/{path}", json=body, headers={"traceparent": header})
            assert answer.status_code == 201, answer.text
            made = answer.json()
            if "nodes" in made:
                await client.wait_workflow(made["id"], timeout=30)
            else:
                for task in made.get("data", [made]):
                    await client.wait(task["id"], timeout=30)
        return trace

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.service.url, timeout=30, trust_env=False)


@pytest_asyncio.fixture(scope="module")
async def traced(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    processes = Processes()
    async with AIServer() as ai:
        with ExitStack() as lent:
            collector = lent.enter_context(Collector())
            database = lent.enter_context(servers.lend_database())
            redis, results = lent.enter_context(servers.lend_redis()), lent.enter_context(servers.lend_redis())
            lent.callback(processes.reap_all)
            env = environment(database, redis, results, tmp_path_factory.mktemp("traced")) | collector.env
            env |= {"TASKRUNNER_AI_BASE_URL": ai.base_url, "TASKRUNNER_AI_API_KEY": KEY}
            service = Service(env | {"TASKRUNNER_TASK_MODULES": "tests.support.own_tasks"}, free_port(), processes)
            await service.start_api()
            await service.start_worker()
            yield Traced(service, collector, ai)


async def test_one_trace_leads_from_the_request_to_the_model(traced: Traced) -> None:
    trace = await traced.done("tasks", {"prompt": PROMPT, "model": "m-1", "max_attempts": 1})
    request, publish, run, chat = await traced.collector.trace_of(
        trace, "POST /api/v1/tasks", "publish ai_processing", "process ai_processing", "chat m-1"
    )
    assert [s.kind for s in (request, publish, run, chat)] == ["SERVER", "PRODUCER", "CONSUMER", "CLIENT"]
    assert [s.parent for s in (request, publish, run, chat)] == [CALLER, request.id, publish.id, run.id]
    assert [s.service for s in (publish, run)] == ["taskrunner-api", "taskrunner-worker"]
    assert not any(s.failed for s in (request, publish, run, chat))
    assert traced.ai.headers[-1]["traceparent"] == f"00-{trace}-{chat.id}-01"


async def test_the_spans_say_what_the_conventions_ask_for(traced: Traced) -> None:
    body = {"prompt": PROMPT, "model": "m-2", "max_attempts": 1}
    trace = await traced.done("tasks", body)
    request, publish, run, chat = await traced.collector.trace_of(
        trace, "POST /api/v1/tasks", "publish ai_processing", "process ai_processing", "chat m-2"
    )
    assert_says(request, {"http.request.method": "POST", "http.route": "/api/v1/tasks", "url.scheme": "http"})
    assert_says(request, {"http.response.status_code": 201, "url.path": "/api/v1/tasks"})
    assert_says(publish, {"messaging.system": "taskrunner", "messaging.operation.type": "send"})
    assert_says(run, {"messaging.destination.name": "ai_processing", "messaging.operation.type": "process"})
    assert run.attributes["messaging.message.id"] == publish.attributes["messaging.message.id"]
    assert_says(run, {"taskrunner.task.type": "text_generation", "taskrunner.task.attempt": 1})
    assert_says(run, {"taskrunner.task.generation": 1, "taskrunner.task.outcome": "completed"})
    assert_says(
        chat, {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m-2"}
    )
    assert_says(chat, {"gen_ai.response.model": MODEL, "gen_ai.response.finish_reasons": ["stop"]})
    assert_says(chat, {"gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 3})


def assert_says(span: Seen, expected: Mapping[str, Any]) -> None:
    assert {name: span.attributes.get(name) for name in expected} == expected


async def test_no_span_holds_a_prompt_an_answer_a_query_or_a_key(traced: Traced) -> None:
    trace = await traced.done("tasks", {"prompt": PROMPT, "model": "m-3", "max_attempts": 1})
    listing = secrets.token_hex(16)
    async with traced.http() as http:
        headers = {"traceparent": f"00-{listing}-{CALLER}-01"}
        await http.get("/api/v1/tasks", params={"tag": "a-tag-of-mine"}, headers=headers)
        await http.get("/health/live", headers=headers)
    await traced.collector.trace_of(trace, "chat m-3", "process ai_processing")
    await traced.collector.trace_of(listing, "GET /api/v1/tasks")
    assert len(traced.collector.of(listing)) == 1, "probes have no span"
    sent = b"".join(traced.collector.bodies)
    assert [word for word in (KEY, PROMPT, SPOKEN, "a-tag-of-mine") if word.encode() in sent] == []


async def test_each_attempt_has_a_span_below_the_same_submit(traced: Traced) -> None:
    trace = await traced.done("tasks", {"type": "retry_once", "input": {}})
    publish, first, second = await traced.collector.trace_of(
        trace, "publish demo_tasks", "process demo_tasks", "process demo_tasks"
    )
    assert first.parent == second.parent == publish.id
    assert [s.attributes["taskrunner.task.attempt"] for s in (first, second)] == [1, 2]
    assert [s.attributes["taskrunner.task.outcome"] for s in (first, second)] == ["retried", "completed"]
    assert [(s.failed, s.error) for s in (first, second)] == [(True, "Retry"), (False, None)]


async def test_what_a_child_process_asks_of_the_model_belongs_to_its_run(traced: Traced) -> None:
    trace = await traced.done("tasks", {"type": "ask_from_a_process", "input": {"text": PROMPT}})
    run, chat = await traced.collector.trace_of(trace, "process demo_tasks", "chat")
    assert chat.parent == run.id


async def test_a_batch_is_published_once(traced: Traced) -> None:
    trace = await traced.done("tasks/batch", {"tasks": [SUM, SUM, SUM]})
    publish, *runs = await traced.collector.trace_of(trace, "publish demo_tasks", *["process demo_tasks"] * 3)
    assert publish.attributes["messaging.batch.message_count"] == 3
    assert {run.parent for run in runs} == {publish.id}


async def test_the_nodes_of_a_workflow_belong_to_its_request(traced: Traced) -> None:
    trace = await traced.done("workflows", {"tasks": {"a": SUM, "b": {**SUM, "after": ["a"]}}})
    request, *runs = await traced.collector.trace_of(trace, "POST /api/v1/workflows", *["process demo_tasks"] * 2)
    assert {run.parent for run in runs} == {request.id}


async def test_what_the_caller_does_not_sample_is_not_sent_and_goes_on_as_such(traced: Traced) -> None:
    unsampled = await traced.done("tasks", {"prompt": PROMPT, "model": "m-4"}, sampled=False)
    went_on = traced.ai.headers[-1]["traceparent"]
    later = await traced.done("tasks", SUM)
    await traced.collector.trace_of(later, "POST /api/v1/tasks", "process demo_tasks")
    assert (went_on[:36], went_on[-2:]) == (f"00-{unsampled}-", "00")
    assert traced.collector.of(unsampled) == []


async def test_log_lines_name_the_span_they_belong_to(traced: Traced) -> None:
    trace = await traced.done("tasks", SUM)
    [run] = await traced.collector.trace_of(trace, "process demo_tasks")

    def lines() -> list[Mapping[str, object]]:
        return [line for line in facts_of(traced.service.workers[0].lines) if line.get("trace_id") == trace]

    await traced.collector.until(lambda: {line["event"] for line in lines()} >= {"task_started", "task_settled"})
    assert {line["span_id"] for line in lines()} == {run.id}


async def test_a_collector_that_is_broken_holds_up_neither_tasks_nor_the_end(own_service: Service) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with Collector(hangs=True) as hanging:
        own_service.env |= hanging.env | {"OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
        worker = await own_service.start_worker()
        own_service.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = dead
        api = await own_service.start_api()
        async with own_service.client() as client:
            tasks = [await client.submit("simple_calculation", CALCULATION) for _ in range(60)]
            assert {(await client.wait(task.id, timeout=30)).status for task in tasks} == {"COMPLETED"}
            await hanging.until(lambda: hanging.asked > 0)
        for child in (worker, api):
            child.send(signal.SIGTERM)
        # uvicorn ends itself by the signal it was sent.
        assert [await child.wait(END_SECONDS) for child in (worker, api)] == [0, -signal.SIGTERM]
