"""A response that comes piece by piece: server-sent events, as OpenAI's API has them."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rl.serve.body import unless_gone
from rl.serve.errors import RequestError

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class EventStream(Response):
    """Sends each object of ``events`` as it comes, then ``[DONE]``.

    An error before the first one is a response with its status; after it, a last event with the error. A
    client that hangs up closes ``events``.

    Args:
        request: Its body must have been read.
        events: Called once the response begins.
        place: Left when the response is over, whichever way.
    """

    def __init__(
        self,
        request: Request,
        events: Callable[[], AsyncGenerator[dict[str, Any], None]],
        place: AbstractContextManager[Any],
    ) -> None:
        self._request, self._events, self._place = request, events, place
        self._begun = False
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            with self._place:
                await unless_gone(self._request, self._send_all(send))
        except RequestError as error:
            if self._begun:  # the client left: nobody reads
                return
            await error.response()(scope, receive, send)

    async def _send_all(self, send: Send) -> None:
        try:
            async with aclosing(self._events()) as events:
                async for event in events:
                    await self._send(send, json.dumps(event))
        except RequestError as error:
            if not self._begun:
                raise
            await self._send(send, json.dumps(error.body))
        await self._send(send, "[DONE]")
        await send({"type": "http.response.body", "body": b""})

    async def _send(self, send: Send, text: str) -> None:
        if not self._begun:
            self._begun = True
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": f"data: {text}\n\n".encode(), "more_body": True})
