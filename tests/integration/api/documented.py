"""Whether an answer is one the OpenAPI document knows: its status, its media type, each of its headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx

from service.schemas.answer_headers import ANSWER_HEADERS


class Document:
    """An OpenAPI document, asked about answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        # Plain paths first: /tasks/batch is no task, where it takes the method.
        templates = sorted(document["paths"], key=lambda path: path.count("{"))
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), document["paths"][path]) for path in templates]

    async def knows(self, answer: httpx.Response) -> None:
        """Fail where ``answer`` is to an operation of the document, and not as documented."""
        for operation in self._operations(answer.request):
            asked = f"{answer.request.method} {answer.request.url.path}"
            response = self.resolve(operation["responses"].get(str(answer.status_code)))
            assert response is not None, f"{asked}: {answer.status_code} is not documented"
            sent = {name for name in ANSWER_HEADERS if name.lower() in answer.headers}
            assert sent <= set(response["headers"]), f"{asked}: {answer.status_code} with {sent}"
            kind = answer.headers.get("content-type", "")
            assert not kind or {kind.partition(";")[0], "*/*"} & set(response.get("content", ())), f"{asked}: {kind}"
            return

    def resolve(self, value: Any) -> Any:
        """``value``, or what it refers to."""
        while isinstance(value, dict) and "$ref" in value:
            _, *steps = value["$ref"].split("/")
            value = self._document
            for step in steps:
                value = value[step]
        return value

    def _operations(self, request: httpx.Request) -> Iterator[dict[str, Any]]:
        for path, methods in self._paths:
            if path.fullmatch(request.url.raw_path.decode().partition("?")[0]) and request.method.lower() in methods:
                yield methods[request.method.lower()]
