"""Turns whatever the inner chain raises into a problem answer: the last door before the server's own 500."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import problems


class Errors:
    """Answers with a problem where nothing was answered yet; a broken stream can only be cut."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_started = False

        async def watched(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            # The boundary of the process: anything at all becomes an answer, and is logged there.
            if is_started:
                raise
            await problems.answer(problems.problem_of(error), scope)(scope, receive, send)
