"""Who may read the page: this machine, or whoever has the token. Nobody may change anything.

* **Host header.** A page of another site can point its own name at 127.0.0.1 (DNS rebinding) and would then
  read us as its own origin. It must use a name for that; so addresses pass, and names only if they are ours.
* **Token.** Where others can reach the port. It comes once as ``?token=`` and becomes a cookie that scripts
  cannot read, so that it does not stay in the address bar.
* **No CORS headers**, and ``Cross-Origin-Resource-Policy``: pages of other origins cannot read answers.
"""

import hmac
import re
import socket
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rl.commands.callers import LOCALHOST, is_ours

METHODS = ("GET", "HEAD")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # Plotly writes style attributes.
        "style-src 'self' 'unsafe-inline'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
COOKIE_S = 30 * 24 * 3600
"""Seconds that a browser keeps the token."""


class Guard:
    """ASGI middleware around the application.

    Args:
        app: Asked only for what may pass.
        names: Host names that are ours, besides ``localhost``; addresses always pass.
        token: Required of every request; None: none is.
    """

    def __init__(self, app: ASGIApp, *, names: Iterable[str] = (), token: str | None = None) -> None:
        self._app, self._token = app, token
        self._names = {LOCALHOST, *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on; either with the security headers."""
        assert scope["type"] == "http", "the server has neither lifespan events nor web sockets"
        answer = self._answer(Request(scope)) or self._app

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await answer(scope, receive, with_headers)

    def _answer(self, request: Request) -> Response | None:
        """The answer to give instead of the application's; None if it may answer."""
        if not is_ours(request.headers.get("host", ""), self._names):
            text = "This name is not one of t2rl watch's. Use the address that it printed, or --host NAME."
            return PlainTextResponse(text, HTTPStatus.MISDIRECTED_REQUEST)
        if request.method not in METHODS:
            return PlainTextResponse(
                "t2rl watch only shows.", HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": ", ".join(METHODS)}
            )
        if self._token is None:
            return None
        if self._matches(request.query_params.get("token")):
            return self._welcomed(request)
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._matches(request.cookies.get(cookie_name(request))) or self._matches(sent):
            return None
        text = "Missing or wrong token. Open the address with ?token=... that t2rl watch printed."
        return PlainTextResponse(text, HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})

    def _welcomed(self, request: Request) -> Response:
        """The same address without the token, and the cookie."""
        assert self._token is not None
        rest = [pair for pair in request.query_params.multi_items() if pair[0] != "token"]
        # Slashes at the front would be another host's address.
        path = "/" + request.url.path.lstrip("/\\")
        answer = RedirectResponse(path + ("?" + urlencode(rest) if rest else ""), HTTPStatus.SEE_OTHER)
        answer.set_cookie(cookie_name(request), self._token, max_age=COOKIE_S, httponly=True, samesite="lax")
        return answer

    def _matches(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), (self._token or "").encode())


def cookie_name(request: Request) -> str:
    """Cookies know no ports: each server behind one host name needs a name of its own."""
    return "t2rl_watch_" + re.sub("[^0-9A-Za-z]", "_", request.headers["host"])


def own_names(host: str) -> list[str]:
    """Names that this machine may be called by: the one listened on and its host name."""
    return [host, socket.gethostname()]
