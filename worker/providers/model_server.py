"""The embedded model's process: llama.cpp's HTTP server on a free loopback port. Run as a script by its parent.

Imports nothing of this project, so that it starts fast and holds no secret of the worker's. One JSON
line comes in (weights, key, sizes), one goes out (``url`` or ``error``). It ends when its parent does.
"""

from __future__ import annotations

import json
import os
import select
import sys
from typing import Any, NoReturn

PARENT_CHECK_SECONDS = 2.0


def main() -> NoReturn:
    parent = os.getppid()
    # llama.cpp writes where it likes: the line to the parent gets a descriptor of its own.
    reply = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        server = _serve(json.loads(sys.stdin.readline()))
    except Exception as error:  # noqa: BLE001 - llama.cpp may raise anything, and the parent must hear of it
        os.write(reply, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        os._exit(1)
    os.write(reply, json.dumps({"url": server.listening_address}).encode() + b"\n")
    os.close(reply)
    _wait_for_end_of(parent)
    # At once: llama.cpp's threads hold nothing that wants saving.
    os._exit(0)


def _serve(given: dict[str, Any]) -> Any:
    import xllamacpp  # noqa: PLC0415 - heavy and optional: its absence is told to the parent

    params = xllamacpp.CommonParams()
    params.model.path = given["weights"]
    params.model_alias = {given["alias"]}
    params.api_keys = [given["key"]]
    params.n_parallel = given["slots"]
    # llama.cpp divides the context between its slots.
    params.n_ctx = given["context"] * given["slots"]
    params.cpuparams.n_threads = given["threads"]
    params.cpuparams_batch.n_threads = given["threads"]
    # So small a model falls into repeating one sign for ever, above all outside English.
    params.sampling.penalty_repeat = 1.1
    # By default up to 8 GiB of earlier prompts are kept.
    params.cache_ram_mib = 0
    params.verbosity = -1
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    return xllamacpp.Server(params)


def _wait_for_end_of(parent: int) -> None:
    """Return when stdin closes: the parent closed it or is gone, even by kill -9.

    A process forked from the parent could hold the other end open: so its id is looked at, too.
    """
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], PARENT_CHECK_SECONDS)
        if readable and not os.read(0, 4_096):
            return


if __name__ == "__main__":
    main()
