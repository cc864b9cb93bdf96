"""The HTTP application: OpenAI's routes over one model, or over a cascade and its models.

400: the request does not fit; 401: no or wrong token; 404: another model; 413: too large; 503 with
Retry-After: the queue is full, or an engine is being restarted; 504: no answer in time. Only ``GET /health``
needs no token. There are no CORS headers: a web page of another origin cannot read answers.
"""

import hmac
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager
from importlib.metadata import version
from typing import Any

from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rl.engines.decode import DecodeInterrupted
from rl.engines.errors import EngineLost
from rl.serve import shapes
from rl.serve.answering import Answerer
from rl.serve.body import read_body, unless_gone
from rl.serve.cascade import CascadeAnswerer
from rl.serve.description import describe
from rl.serve.errors import RequestError
from rl.serve.events import EventStream
from rl.serve.gate import Gate, Place
from rl.serve.plain import PlainAnswerer, Usage
from rl.serve.requests import Ask, ChatRequest, CompletionRequest, read_request
from rl.serve.sequences import Piece
from rl.serve.shapes import Shape


class ServeService:
    """The application and its state.

    Args:
        answerers: Name that requests must give -> what answers them; the first is the service's own name.
        gate: Admits them.
        token: Required of every call but health; None: none is.
        max_body: Bytes of the largest request.
    """

    def __init__(
        self,
        answerers: Mapping[str, Answerer | CascadeAnswerer],
        gate: Gate,
        *,
        token: str | None,
        max_body: int,
    ) -> None:
        self._answerers, self._gate = answerers, gate
        self._token, self._max_body = token, max_body
        self._created = int(time.time())
        self._tokens = 0
        self.app = Starlette(
            routes=[
                Route("/v1/completions", self._completions, methods=["POST"]),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/v1/models/{name:path}", self._one_model),
                Route("/health", self._health),
                Route("/openapi.json", self._description),
            ],
            exception_handlers={RequestError: _refused, HTTPException: _not_found, Exception: _failed},
        )

    async def _health(self, request: Request) -> JSONResponse:
        gate = self._gate
        counts = {
            "running": gate.running,
            "waiting": gate.admitted_now - gate.running,
            "done": gate.done,
            "tokens": self._tokens,
        }
        return JSONResponse({"status": "ok", "model": next(iter(self._answerers)), **counts})

    async def _description(self, request: Request) -> JSONResponse:
        self._authorise(request)
        return JSONResponse(describe(version("t2rl")))

    async def _models(self, request: Request) -> JSONResponse:
        self._authorise(request)
        return JSONResponse(
            {"object": "list", "data": [shapes.model_card(name, self._created) for name in self._answerers]}
        )

    async def _one_model(self, request: Request) -> JSONResponse:
        self._authorise(request)
        self._check_model(request.path_params["name"])
        return JSONResponse(shapes.model_card(request.path_params["name"], self._created))

    async def _completions(self, request: Request) -> Response:
        return await self._respond(request, lambda body: read_request(CompletionRequest, body), chat=False)

    async def _chat(self, request: Request) -> Response:
        return await self._respond(request, lambda body: read_request(ChatRequest, body), chat=True)

    async def _respond(self, request: Request, read: Callable[[Any], Ask], *, chat: bool) -> Response:
        self._authorise(request)
        with ExitStack() as holding:
            place = holding.enter_context(self._gate.place())
            async with place.in_time():
                ask = read(_parsed(await read_body(request, self._max_body)))
                self._check_model(ask.model)
                shape = Shape(
                    id=f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}",
                    created=int(time.time()),
                    model=ask.model,
                    chat=chat,
                    logprobs=ask.logprobs is not None and ask.logprobs is not False,
                )
                if not ask.stream:
                    return JSONResponse(await unless_gone(request, self._answer(ask, shape)))
            return EventStream(request, lambda: self._events(ask, shape, place), holding.pop_all())

    async def _answer(self, ask: Ask, shape: Shape) -> dict[str, Any]:
        async with self._turn():
            answerer = self._answerers[ask.model]
            if answerer.plans(ask):
                served = await answerer.answer(ask, shape.id)
                self._tokens += served.tokens.total
                return shape.planned(served)
            plain = PlainAnswerer.over(answerer)
            pieces, usage = await plain.whole(plain.prepare(ask))
            self._tokens += usage.total
            return shape.plain(pieces, usage)

    async def _events(self, ask: Ask, shape: Shape, place: Place) -> AsyncGenerator[dict[str, Any], None]:
        """Chunks of a streamed response. What is planned comes whole, once it is chosen."""
        async with place.in_time(), self._turn():
            chunks = self._planned_chunks if self._answerers[ask.model].plans(ask) else self._plain_chunks
            async with aclosing(chunks(ask, shape)) as made:
                async for chunk in made:
                    yield chunk

    async def _planned_chunks(self, ask: Ask, shape: Shape) -> AsyncGenerator[dict[str, Any], None]:
        served = await self._answerers[ask.model].answer(ask, shape.id)
        self._tokens += served.tokens.total
        if (opening := shape.opening(0)) is not None:
            yield opening
        yield shape.chunk(0, Piece(text=served.text), None)
        finish = "length" if served.truncated else "stop"
        yield shape.chunk(0, Piece(text=""), finish) | {"t2rl": shapes.facts_of(served)}
        if ask.stream_options is not None and ask.stream_options.include_usage:
            yield shape.closing(shapes.planned_usage(served))

    async def _plain_chunks(self, ask: Ask, shape: Shape) -> AsyncGenerator[dict[str, Any], None]:
        plain = PlainAnswerer.over(self._answerers[ask.model])
        drawing = plain.prepare(ask)
        usage, begun = Usage(drawing.prompt_tokens), set()
        async with aclosing(plain.pieces(drawing)) as pieces:
            async for index, piece in pieces:
                if index not in begun and (opening := shape.opening(index)) is not None:
                    yield opening
                begun.add(index)
                usage = usage.plus(piece)
                if piece.text or piece.tokens or piece.finish is not None:
                    yield shape.chunk(index, piece, piece.finish)
        self._tokens += usage.total
        if ask.stream_options is not None and ask.stream_options.include_usage:
            yield shape.closing(shapes.usage_of(usage))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._gate.turn:
            try:
                yield
            except (EngineLost, DecodeInterrupted) as error:
                raise RequestError(
                    503, "the engine that worked on this was lost; try again", code="engine_lost"
                ) from error

    def _authorise(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if self._token is not None and not hmac.compare_digest(
            given.encode(), f"Bearer {self._token}".encode()
        ):
            raise RequestError(
                401,
                "missing or wrong token; the service was started with --token-file",
                code="invalid_api_key",
            )

    def _check_model(self, name: str) -> None:
        if name not in self._answerers:
            raise RequestError(
                404,
                f"model {name!r} is not here; this service has {', '.join(map(repr, self._answerers))}",
                param="model",
                code="model_not_found",
            )


def _parsed(body: bytes) -> Any:
    try:
        # Unlike the json module it refuses NaN and halves of surrogate pairs, which no tokenizer takes.
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RequestError(400, f"body: not JSON: {error}") from error


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestError)
    return error.response()


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    """Starlette's own: no such route, or another method."""
    assert isinstance(error, HTTPException)
    return RequestError(error.status_code, f"{request.method} {request.url.path}: {error.detail}").response()


async def _failed(request: Request, error: Exception) -> JSONResponse:
    """The server logs the traceback; clients get no inner workings."""
    return RequestError(500, "the service failed on this request; its log says how").response()
