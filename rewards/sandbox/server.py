"""The HTTP service of ``t2rl sandbox serve``: the sandbox interface, with a bounded queue.

``POST /run`` takes {"jobs": [job]} or {"jobs": [tested, tester]} (:mod:`rewards.sandbox.codec`) and answers
{"outcomes": [[outcome, ...], ...]}. 400: the request does not fit; 401: no or wrong token; 413: too large;
500: the sandbox itself failed; 503 with Retry-After: the queue is full. ``GET /health`` says how full it is,
and needs no token.
"""

import asyncio
import hmac
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from rewards.sandbox import codec
from rewards.sandbox.base import Job, Limits, Sandbox, SandboxError
from rewards.sandbox.description import describe

MAX_BODY_MIB = 64
RETRY_AFTER_S = 1
CLIENT_GONE = 499
"""Nobody reads it; the log of a proxy may."""
WAITING_PER_WORKER = 4
CEILING = Limits(wall_s=600, cpu_s=2400, memory_mib=16_384, processes=1024, output_kib=65_536, disk_mib=4096)
"""Highest limits that a request may ask for; one client must not take the host from the others."""
MAX_STEPS = 10_000


class SandboxService:
    """The application and its state.

    Args:
        sandbox: Runs the jobs; takes ``workers`` calls at once.
        workers: Jobs that run at once.
        token: Required of every call but health; None: none is.
        max_body_mib: Largest request.
    """

    def __init__(
        self, sandbox: Sandbox, *, workers: int, token: str | None, max_body_mib: int = MAX_BODY_MIB
    ) -> None:
        self._sandbox, self._workers, self._token = sandbox, workers, token
        self._max_body = max_body_mib << 20
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")
        self._admitted = 0
        self._done = 0
        self.app = Starlette(
            routes=[
                Route("/run", self._run, methods=["POST"]),
                Route("/health", self._health),
                Route("/openapi.json", self._description),
            ]
        )

    async def _health(self, request: Request) -> JSONResponse:
        running = min(self._admitted, self._workers)
        state = {
            "workers": self._workers,
            "running": running,
            "waiting": self._admitted - running,
            "done": self._done,
        }
        return JSONResponse({"status": "ok", **state})

    async def _description(self, request: Request) -> JSONResponse:
        if not self._may_call(request.headers):
            return self._unknown()
        return JSONResponse(describe(version("t2rl"), CEILING, max_steps=MAX_STEPS))

    async def _run(self, request: Request) -> JSONResponse:
        refusal = self._refusal(request.headers)
        if refusal is not None:
            return refusal
        self._admitted += 1
        try:
            return await self._admit(request)
        finally:
            self._admitted -= 1
            self._done += 1

    def _refusal(self, headers: Mapping[str, str]) -> JSONResponse | None:
        """Return what can be refused before the body is read."""
        if not self._may_call(headers):
            return self._unknown()
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._max_body:
            return self._too_large()
        if self._admitted >= self._workers * (1 + WAITING_PER_WORKER):
            return JSONResponse({"error": "the queue is full"}, 503, {"Retry-After": str(RETRY_AFTER_S)})
        return None

    def _may_call(self, headers: Mapping[str, str]) -> bool:
        given = headers.get("authorization", "").encode()
        return self._token is None or hmac.compare_digest(given, f"Bearer {self._token}".encode())

    def _unknown(self) -> JSONResponse:
        return _error(401, "missing or wrong token; the service was started with --token-file")

    def _too_large(self) -> JSONResponse:
        return _error(413, f"the request is over {self._max_body >> 20} MiB")

    async def _admit(self, request: Request) -> JSONResponse:
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > self._max_body:
                    return self._too_large()
        except ClientDisconnect:
            return _error(CLIENT_GONE, "the client left")
        try:
            jobs = jobs_of(bytes(body))
        except ValueError as error:
            return _error(400, str(error))
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(self._threads, self._call, jobs)
        except ValueError as error:
            return _error(400, str(error))
        except SandboxError as error:
            return _error(500, str(error))
        return JSONResponse({"outcomes": outcomes})

    def _call(self, jobs: list[Job]) -> list[list[dict[str, Any]]]:
        lists = [self._sandbox.run(jobs[0])] if len(jobs) == 1 else self._sandbox.run_linked(jobs[0], jobs[1])
        return [[codec.outcome_to_wire(outcome) for outcome in outcomes] for outcomes in lists]


def jobs_of(body: bytes) -> list[Job]:
    """One or two jobs within the ceiling.

    Raises:
        ValueError: Names what does not fit.
    """
    try:
        wire = json.loads(body)
    except RecursionError as error:
        raise ValueError("body: nested too deep") from error
    wires = wire.get("jobs") if isinstance(wire, dict) else None
    if not isinstance(wires, list) or len(wires) not in (1, 2):
        raise ValueError("body: expected {'jobs': [job]} or {'jobs': [tested, tester]}")
    jobs = [codec.job_from_wire(wire) for wire in wires]
    for job in jobs:
        if not 0 < len(job.steps) <= MAX_STEPS:
            raise ValueError(f"job.steps: {len(job.steps)}; 1 to {MAX_STEPS} are allowed")
        for step in job.steps:
            for name, most in asdict(CEILING).items():
                if getattr(step.limits, name) > most:
                    raise ValueError(
                        f"limits.{name} is {getattr(step.limits, name)}; this service allows {most}"
                    )
    return jobs


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)
