"""When traces are sent, and what stops the process instead; that off means off; spans as others see them."""

from __future__ import annotations

import contextvars
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared.domain.errors import ConfigurationError
from shared.telemetry.current import CARRIED, TRACING, outgoing, traceparent
from shared.telemetry.exporting import ENDPOINTS, exporting, is_wanted
from tests.house.tree import ROOT
from tests.support.collector import Collector

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BASE, OWN = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HERE = "http://127.0.0.1:4318"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {BASE: ""},
        {BASE: HERE, "OTEL_SDK_DISABLED": "True"},
        {BASE: HERE, "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SERVICE_NAME": "ours", "OTEL_TRACES_SAMPLER": "always_on"},
    ],
)
def test_traces_are_off(environment: dict[str, str]) -> None:
    assert not is_wanted(environment)


@pytest.mark.parametrize(
    "environment",
    [
        {BASE: HERE},
        {OWN: "https://collector.example/v1/traces"},
        {BASE: HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_TRACES_EXPORTER": "otlp"},
        {BASE: HERE, "OTEL_SDK_DISABLED": "false"},
    ],
)
def test_an_endpoint_turns_traces_on(environment: dict[str, str]) -> None:
    assert is_wanted(environment)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({BASE: "127.0.0.1:4318"}, BASE),
        ({OWN: "grpc://there:4317", BASE: HERE}, OWN),
        ({BASE: HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({BASE: HERE, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
        ({BASE: HERE, "OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
    ],
)
def test_what_cannot_be_sent_is_said_with_the_variables_name(environment: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{named}: "):
        is_wanted(environment)


def test_an_endpoint_without_the_packages_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shared.telemetry.sdk", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigurationError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT is set.*async-ai-task-runner\[otel\]"):
        is_wanted({BASE: HERE})


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [
        ("from service.app import create_app; create_app()", "opentelemetry.sdk"),
        ("import worker; worker.WorkerSettings; import worker.runtime", "opentelemetry"),
    ],
)
def test_without_an_endpoint_nothing_of_it_is_loaded(program: str, unwanted: str) -> None:
    script = f"import sys; {program}; print([m for m in sys.modules if (m + '.').startswith('{unwanted}.')])"
    environment = {name: value for name, value in os.environ.items() if name not in ENDPOINTS}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_without_spans_the_callers_trace_is_passed_on() -> None:
    assert outgoing() == {}
    context = contextvars.copy_context()
    context.run(CARRIED.set, GOOD)
    assert context.run(outgoing) == {"traceparent": GOOD}


async def test_a_span_is_continued_inside_and_outside(collector: Collector) -> None:
    async with exporting("taskrunner-test"):
        tracer = TRACING.tracer
        assert tracer is not None
        with tracer.continuing(GOOD, "outer", "SERVER", {"a": 1}) as outer:
            assert traceparent() == outer.traceparent == outgoing()["traceparent"]
            with tracer.child("inner", "CLIENT", {"b": ["x"]}) as inner:
                assert inner.traceparent[:36] == GOOD[:36]
        assert traceparent() is None
    assert TRACING.tracer is None
    inside, outside = await collector.got(2)
    assert (outside.name, outside.kind, outside.service) == ("outer", "SERVER", "taskrunner-test")
    assert (outside.trace, outside.parent, outside.attributes) == (GOOD[3:35], GOOD[36:52], {"a": 1})
    assert (inside.name, inside.kind, inside.parent, inside.attributes) == ("inner", "CLIENT", outside.id, {"b": ["x"]})


async def test_an_error_is_named_and_never_quoted(collector: Collector) -> None:
    async with exporting("taskrunner-test"):
        assert TRACING.tracer is not None
        with pytest.raises(ValueError, match="secret"), TRACING.tracer.child("broken", "CLIENT", {}):
            raise ValueError("a secret of the user's")
    [span] = await collector.got(1)
    assert (span.failed, span.error, span.parent) == (True, "ValueError", "")
    assert b"secret" not in b"".join(collector.bodies)


async def test_what_the_caller_did_not_sample_is_not_sent_but_passed_on(collector: Collector) -> None:
    unsampled = GOOD[:-1] + "0"
    async with exporting("taskrunner-test"):
        assert TRACING.tracer is not None
        with TRACING.tracer.continuing(unsampled, "quiet", "SERVER", {}):
            passed_on = outgoing()["traceparent"]
    assert (passed_on[:36], passed_on[-2:]) == (GOOD[:36], "00")
    assert passed_on != unsampled, "the span is ours all the same"
    assert collector.spans == []


async def test_names_of_the_environment_win(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    async with exporting("taskrunner-test"):
        assert TRACING.tracer is not None
        TRACING.tracer.child("one", "CLIENT", {}).end()
    assert [span.service for span in await collector.got(1)] == ["mine"]
    assert b"deployment.environment.name" in collector.bodies[0]


async def test_a_second_part_of_a_process_uses_the_tracer_of_the_first(collector: Collector) -> None:
    async with exporting("taskrunner-test"):
        first = TRACING.tracer
        async with exporting("taskrunner-other"):
            assert TRACING.tracer is first
        assert TRACING.tracer is first
    assert first is not None
