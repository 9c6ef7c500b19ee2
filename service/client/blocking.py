"""``Client``: the verbs, driven by blocking calls. Safe to share between threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, assert_never

import httpx

from service.client import (
    bulk_verbs,
    key_verbs,
    operations,
    schedule_verbs,
    stream_verbs,
    verbs,
    webhook_verbs,
    workflow_verbs,
)
from service.client.calls import Call, Emit, Feed, Flow, Open, Pause, Read, Reply, named_after, resume
from service.client.errors import Unreachable
from service.client.transport import options, reply_of, request_of, unreachable

P = ParamSpec("P")
T = TypeVar("T")


def answer(verb: Callable[P, Flow[T]]) -> Callable[Concatenate[Client, P], T]:
    """The verb as a method that returns its answer."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(verb(*args, **kwargs))

    return named_after(verb, method)


def feed(verb: Callable[P, Feed[T]]) -> Callable[Concatenate[Client, P], Generator[T, None, None]]:
    """The verb as a method that returns an iterator."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        return self.iterate(verb(*args, **kwargs))

    return named_after(verb, method)


class Client:
    """The service, for code that blocks. Use it as a context manager, or ``close`` it.

    ``timeout`` is seconds without a byte; a long poll adds its own wait.
    """

    submit = answer(verbs.submit)
    generate = answer(verbs.generate)
    submit_batch = answer(verbs.submit_batch)
    get = answer(verbs.get)
    wait = answer(verbs.wait)
    watch = feed(verbs.watch)
    list = feed(verbs.list_tasks)
    events = feed(stream_verbs.events)
    all_events = feed(stream_verbs.all_events)
    attempts = answer(verbs.attempts)
    cancel = answer(verbs.cancel)
    retry = answer(verbs.retry)
    upload = answer(verbs.upload)
    file_info = answer(verbs.file_info)
    download = answer(verbs.download)
    delete_file = answer(verbs.delete_file)
    create_schedule = answer(schedule_verbs.create_schedule)
    schedule = answer(schedule_verbs.schedule)
    schedules = feed(schedule_verbs.schedules)
    change_schedule = answer(schedule_verbs.change_schedule)
    run_schedule = answer(schedule_verbs.run_schedule)
    delete_schedule = answer(schedule_verbs.delete_schedule)
    submit_workflow = answer(workflow_verbs.submit_workflow)
    workflow = answer(workflow_verbs.workflow)
    workflows = feed(workflow_verbs.workflows)
    wait_workflow = answer(workflow_verbs.wait_workflow)
    cancel_workflow = answer(workflow_verbs.cancel_workflow)
    retry_workflow = answer(workflow_verbs.retry_workflow)
    workflow_deliveries = answer(workflow_verbs.workflow_deliveries)
    deliveries = answer(webhook_verbs.deliveries)
    all_deliveries = feed(webhook_verbs.all_deliveries)
    replay_delivery = answer(webhook_verbs.replay_delivery)
    webhook_secret = answer(webhook_verbs.webhook_secret)
    rotate_webhook_secret = answer(webhook_verbs.rotate_webhook_secret)
    create_key = answer(key_verbs.create_key)
    keys = answer(key_verbs.keys)
    rotate_key = answer(key_verbs.rotate_key)
    revoke_key = answer(key_verbs.revoke_key)
    audit = feed(key_verbs.audit)
    task_types = answer(verbs.task_types)
    workers = answer(verbs.workers)
    drain_worker = answer(operations.drain_worker)
    queues = answer(operations.queues)
    pause_queue = answer(operations.pause_queue)
    resume_queue = answer(operations.resume_queue)
    purge_queue = answer(operations.purge_queue)
    stats = answer(operations.stats)
    throughput = answer(operations.throughput)
    config = answer(operations.config)
    ready = answer(verbs.ready)
    health = answer(verbs.health)
    cancel_many = answer(bulk_verbs.cancel_many)
    retry_many = answer(bulk_verbs.retry_many)
    delete_many = answer(bulk_verbs.delete_many)
    operation = answer(bulk_verbs.operation)
    operations = feed(bulk_verbs.operations)
    watch_operation = feed(bulk_verbs.watch_operation)
    wait_operation = answer(bulk_verbs.wait_operation)
    cancel_operation = answer(bulk_verbs.cancel_operation)

    def __init__(self, url: str | None = None, api_key: str | None = None, *, timeout: float = 10.0) -> None:
        settings = options(url, api_key, timeout)
        self.url = settings["base_url"]
        self._http = httpx.Client(**settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run(self, flow: Flow[T]) -> T:
        """Drive a flow to its answer."""
        try:
            step = next(flow)
            while True:
                step = resume(flow, self._perform(step))
        except StopIteration as end:
            answer: T = end.value
            return answer

    def iterate(self, flow: Feed[T]) -> Generator[T, None, None]:
        """Drive a feed, as far as it is read. One left early is best closed: ``with closing(…)``."""
        stream = _Stream(self._open, self.url)
        try:
            step = next(flow)
            while True:
                if isinstance(step, Emit):
                    yield step.item
                    step = next(flow)
                elif isinstance(step, Open | Read):
                    step = resume(flow, stream.perform(step))
                else:
                    step = resume(flow, self._perform(step))
        except StopIteration:
            return
        finally:
            flow.close()
            stream.close()

    def _perform(self, step: Call[Any] | Pause) -> Reply | Unreachable | None:
        match step:
            case Pause(seconds):
                time.sleep(seconds)
                return None
            case Call():
                try:
                    return self._send(step)
                except httpx.RequestError as error:
                    return unreachable(self.url, error)
            case _:
                assert_never(step)

    def _open(self, call: Call[Any]) -> httpx.Response:
        """The answer to the call, its body still to be read."""
        return self._http.send(request_of(self._http, call), stream=True)

    def _send(self, call: Call[Any]) -> Reply:
        response = self._open(call)
        with closing(response):
            if call.save_to is None or not response.is_success:
                return reply_of(response, response.read())
            with call.save_to.open("wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
            return reply_of(response, b"")


class _Stream:
    """The one stream that a feed has open."""

    def __init__(self, open: Callable[[Call[Any]], httpx.Response], url: str) -> None:
        self._open = open
        self._url = url
        self._response: httpx.Response | None = None
        self._pieces: Iterator[bytes] | None = None

    def perform(self, step: Open | Read) -> Reply | bytes | Unreachable:
        try:
            if isinstance(step, Read):
                return b"" if self._pieces is None else next(self._pieces, b"")
            self.close()
            self._response = self._open(step.call)
            self._pieces = self._response.iter_bytes()
            body = b"" if self._response.is_success else self._response.read()
            return reply_of(self._response, body)
        except httpx.RequestError as error:
            return unreachable(self._url, error)

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
        self._response = self._pieces = None
