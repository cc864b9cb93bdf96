"""The HTTP application: one page, and what it asks for.

=====================================  ================================================================
``/``                                  the page
``/static/NAME``                       its script, its styles, plotly.js
``/api/runs``                          ``[{run, state, step, steps}]``, newest start first
``/api/runs/RUN/events``               server-sent events: each part of the snapshot whenever it changes
``/api/runs/RUN``                      all parts at once
``/api/runs/RUN/figures/FIGURE``       a Plotly figure as JSON, with an ETag
``/openapi.json``                      this list for machines
=====================================  ================================================================

Runs and figures are looked up by name in what was found, static files in what the page has: no part of an
address becomes a path. Files are read in one thread, so that a slow disk holds up no other request.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from importlib.metadata import version
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from rl.watch.description import describe
from rl.watch.reader import INTERVAL_S, RunReader
from rl.watch.runs import Runs
from rl.watch.static import Asset, assets

KEEP_ALIVE_S = 15.0
"""Seconds of silence after which a comment is sent, so that nothing on the way closes the stream."""
STREAMS = 32
"""Pages that may be open at once."""
FRESH = "no-cache"
"""Cache-Control: keep it, and ask each time whether it is still the same."""
FOREVER = "public, max-age=31536000, immutable"
"""Cache-Control of an address that has the content's version in it."""

T = TypeVar("T")


class WatchService:
    """The application and its state.

    Args:
        runs: What to show.
        interval_s: Seconds between two looks of a stream.
    """

    def __init__(self, runs: Runs, *, interval_s: float = INTERVAL_S) -> None:
        self._runs, self._interval_s = runs, interval_s
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="t2rl-watch")
        self._assets = assets()
        self._streams = 0
        self.leaving = asyncio.Event()
        """Set it to end the streams, which would hold up the server's end."""
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/static/{name}", self._static),
                Route("/api/runs", self._list),
                Route("/api/runs/{run}", self._whole),
                Route("/api/runs/{run}/events", self._events),
                Route("/api/runs/{run}/figures/{figure}", self._figure),
                Route("/openapi.json", self._description),
            ],
            exception_handlers={HTTPException: _refused},
        )

    def close(self) -> None:
        """End the reading thread."""
        self._reading.shutdown(wait=False, cancel_futures=True)

    async def _page(self, request: Request) -> Response:
        return _asset(request, self._assets["index.html"])

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._assets:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no {name}")
        return _asset(request, self._assets[name])

    async def _description(self, request: Request) -> Response:
        return JSONResponse(describe(version("t2rl")))

    async def _list(self, request: Request) -> Response:
        return JSONResponse(await self._read(self._runs.listed), headers={"Cache-Control": FRESH})

    async def _whole(self, request: Request) -> Response:
        reader = await self._reader(request)
        parts = await self._read(reader.parts)
        body = "{" + ",".join(f"{json.dumps(name)}:{part}" for name, part in parts.items()) + "}"
        return Response(body, media_type="application/json", headers={"Cache-Control": FRESH})

    async def _events(self, request: Request) -> Response:
        reader = await self._reader(request)
        if self._streams >= STREAMS:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, f"{STREAMS} pages are open already")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._changes(reader), media_type="text/event-stream", headers=headers)

    async def _changes(self, reader: RunReader) -> AsyncIterator[str]:
        """Each part as an event of its name when it has changed; at the start, all of them."""
        sent: dict[str, str] = {}
        silent_s = 0.0
        self._streams += 1
        try:
            yield "retry: 2000\n\n"
            while not self.leaving.is_set():
                parts = await self._read(reader.parts)
                changed = {name: part for name, part in parts.items() if sent.get(name) != part}
                for name, part in changed.items():
                    yield f"event: {name}\ndata: {part}\n\n"
                silent_s = 0.0 if changed else silent_s + self._interval_s
                if silent_s >= KEEP_ALIVE_S:
                    silent_s = 0.0
                    yield ": still here\n\n"
                sent = parts
                await self._pause()
        finally:
            self._streams -= 1

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._interval_s):
                await self.leaving.wait()
        except TimeoutError:
            return

    async def _figure(self, request: Request) -> Response:
        reader, name = await self._reader(request), request.path_params["figure"]
        try:
            drawn, again_s = await self._read(lambda: reader.figure(name))
        except KeyError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no figure {name}") from error
        headers = {"Cache-Control": FRESH, "ETag": drawn.etag}
        if again_s:
            headers["Retry-After"] = f"{again_s:.1f}"
        if request.headers.get("if-none-match") == drawn.etag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if drawn.body is None:
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
        return _packed(request, drawn.body, "application/json", headers)

    async def _reader(self, request: Request) -> RunReader:
        name = request.path_params["run"]
        try:
            return await self._read(lambda: self._runs.reader(name))
        except KeyError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no run {name}") from error

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reading, work)


def _asset(request: Request, asset: Asset) -> Response:
    cache = FOREVER if request.query_params.get("v") == asset.version else FRESH
    headers = {"Cache-Control": cache, "ETag": f'"{asset.version}"', "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        packed = headers | {"Content-Encoding": "gzip"}
        return Response(asset.packed, media_type=asset.media_type, headers=packed)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _packed(request: Request, body: bytes, media_type: str, headers: dict[str, str]) -> Response:
    headers = headers | {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = gzip.compress(body, 5), "gzip"
    return Response(body, media_type=media_type, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
