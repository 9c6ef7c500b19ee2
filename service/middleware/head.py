"""HEAD: whatever answers GET answers it, too, with the same head and no body (RFC 9110, 9.3.2).

The routes never learn of it. What has no end of its own, such as a stream, ends with its head.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadSent(Exception):
    """All that was asked for is sent: the rest of a long answer need not be made."""


class Head:
    """Asks the routes as a GET does, and sends on nothing but the head."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        # A copy: the server looks at the method of its own, so as not to wait for a body.
        asked = {**scope, "method": "GET"}

        async def head_alone(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            elif message.get("more_body", False):
                raise HeadSent

        try:
            await self.app(asked, receive, head_alone)
        except HeadSent:
            pass
        finally:
            scope["route"] = asked.get("route")  # whoever counts requests does so by it
