"""The embedded model's child process, from its parent's side: start, ask whether it is well, stop."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any

import httpx

from shared.domain.errors import ProviderUnavailable
from worker.providers.openai_compatible import provider_client

ALIAS = "smollm2-135m-instruct"
# Of one conversation, prompt and answer together; the weights were trained for 8,192, memory says less.
CONTEXT = 2_048
SLOTS = 2
MAX_THREADS = 4
START_TIMEOUT = 60.0
HEALTH_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0
SCRIPT = Path(__file__).with_name("model_server.py")
# The child parses what users wrote: of the worker's environment it gets no key and no URL.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


class ModelProcess:
    """A running model server; ``client`` speaks to it with the key made for this start."""

    def __init__(self, process: Process, client: httpx.AsyncClient) -> None:
        self._process = process
        self.client = client

    @property
    def pid(self) -> int:
        return self._process.pid

    async def is_well(self) -> bool:
        """Whether it lives and answers; one that hangs is as good as dead."""
        if self._process.returncode is not None:
            return False
        try:
            return (await self.client.get("health", timeout=HEALTH_TIMEOUT)).is_success
        except httpx.HTTPError:
            return False

    async def stop(self) -> None:
        """End it; returns when it is gone. Repeatable."""
        await _end(self._process)
        await self.client.aclose()


async def start_model(weights: Path) -> ModelProcess:
    """Start a model server and wait until it has loaded ``weights``.

    Raises:
        ProviderUnavailable: it did not come up.
    """
    key = secrets.token_urlsafe(32)
    # A session of its own: Ctrl-C in the terminal must not take the model from runs that still drain.
    # -P: the script's folder is no place to import from.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", str(SCRIPT)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(START_TIMEOUT):
            url = await _greet(process, _order(weights, key))
        return ModelProcess(process, provider_client(f"{url}/v1", key, trust_env=False))
    except TimeoutError as error:
        await _end(process)
        raise ProviderUnavailable(f"the embedded model was not ready within {START_TIMEOUT:g} s") from error
    except BaseException:
        # A cancelled start, above all: nobody else knows of the child yet.
        await asyncio.shield(_end(process))
        raise


def _order(weights: Path, key: str) -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Half the cores: llama.cpp's threads meet after every layer, so one that has to share its core
    # stalls them all (2 threads on 2 busy cores: 2-7 tokens/s; 1 thread: 37-50).
    threads = max(1, min(cores // 2, MAX_THREADS))
    order = {"weights": str(weights), "alias": ALIAS, "key": key}
    return {**order, "context": CONTEXT, "slots": SLOTS, "threads": threads}


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


async def _greet(process: Process, order: dict[str, Any]) -> str:
    """Hand over the order; returns the URL the child answers at."""
    if process.stdin is None or process.stdout is None:
        raise AssertionError("both are pipes")
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        await process.stdin.drain()
        reply = json.loads(await process.stdout.readline() or b"{}")
    except (ConnectionError, ValueError) as error:
        raise ProviderUnavailable("the embedded model's process broke off at its start") from error
    if "url" not in reply:
        raise ProviderUnavailable(f"the embedded model did not start: {reply.get('error', 'its process died')}")
    return str(reply["url"])


async def _end(process: Process) -> None:
    """Closing its stdin asks the child to end; one that doesn't is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
