"""Who may call a service that asks for no token: programs of this machine, not pages in its browser.

A page of any site can send requests to 127.0.0.1, and one whose name is made to point there (DNS rebinding)
can read the answers too. Such requests name the site in ``Origin`` or ``Host``.
"""

import ipaddress
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOCALHOST = "localhost"


def for_callers(app: ASGIApp, token: str | None) -> ASGIApp:
    """``app`` as a service shows it: behind :class:`LocalCallers` where no token is asked for."""
    return app if token is not None else LocalCallers(app)


class LocalCallers:
    """ASGI middleware that refuses requests of web pages.

    Args:
        app: Asked for everything else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """403 in the form of an error of the OpenAI API, or what the application says."""
        answer = self._app
        if scope["type"] == "http" and not _is_local(Request(scope)):
            message = (
                "without --token-file this service answers programs that call it by address or as localhost,"
                " not web pages or other names"
            )
            answer = JSONResponse(
                {"error": {"message": message, "type": "permission_error", "param": None, "code": None}},
                HTTPStatus.FORBIDDEN,
            )
        await answer(scope, receive, send)


def _is_local(request: Request) -> bool:
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    if not is_ours(host):
        return False
    site = "" if origin is None else urlsplit(origin).netloc.rpartition("@")[2]
    return origin is None or site == host or _is_this_machine(without_port(site).lower())


def is_ours(host: str, names: Iterable[str] = (LOCALHOST,)) -> bool:
    """True if ``host``, with or without a port, is an address or one of ``names``."""
    name = without_port(host).lower()
    return name in names or _is_address(name)


def without_port(host: str) -> str:
    """``[::1]:80`` is ``::1``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_this_machine(name: str) -> bool:
    """A page may be served from any address, so that of an origin must be a loopback one."""
    return name == LOCALHOST or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
