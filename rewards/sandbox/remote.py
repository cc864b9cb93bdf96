"""Sandboxes on another machine, behind ``t2rl sandbox serve``."""

import logging
from pathlib import Path
from typing import Any

import httpx
from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from rewards.sandbox import codec
from rewards.sandbox.base import Job, Outcome, SandboxError

OVERHEAD_S = 30.0
"""Seconds that a call may take beyond its steps' wall limits: the way there and back, and the queue there."""
MAX_PAUSE_S = 10.0
log = logging.getLogger(__name__)


class _Unavailable(SandboxError):
    """Full or away; another try may do."""


class RemoteSandbox:
    """A :class:`~rewards.sandbox.base.Sandbox` over HTTP.

    A call that finds the service full or away is sent again until ``patience_s`` is over; running a job twice
    is harmless, since every run starts from its files alone.

    Args:
        address: Such as http://sandboxes:8091.
        token: What ``--token-file`` of the service holds.
        token_file: File with the token instead.
        patience_s: Seconds to go on trying before ``SandboxError``.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        token_file: str | None = None,
        patience_s: float = 300.0,
    ) -> None:
        if token_file is not None:
            token = Path(token_file).read_text().strip()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(
            base_url=address, headers=headers, limits=httpx.Limits(max_connections=None)
        )
        self._retrying = Retrying(
            retry=retry_if_exception_type(_Unavailable),
            stop=stop_after_delay(patience_s),
            wait=wait_random_exponential(0.2, max=MAX_PAUSE_S),
            before_sleep=before_sleep_log(log, logging.INFO),
            reraise=True,
        )

    def run(self, job: Job) -> list[Outcome]:
        """See :class:`~rewards.sandbox.base.Sandbox`."""
        return self._call([job])[0]

    def run_linked(self, tested: Job, tester: Job) -> tuple[list[Outcome], list[Outcome]]:
        """See :class:`~rewards.sandbox.base.Sandbox`."""
        of_tested, of_tester = self._call([tested, tester])
        return of_tested, of_tester

    def _call(self, jobs: list[Job]) -> list[list[Outcome]]:
        body = {"jobs": [codec.job_to_wire(job) for job in jobs]}
        longest = sum(step.limits.wall_s for job in jobs for step in job.steps)
        answer = self._retrying.copy()(self._post, body, longest + OVERHEAD_S)
        return [[codec.outcome_from_wire(wire) for wire in outcomes] for outcomes in answer["outcomes"]]

    def _post(self, body: dict[str, Any], timeout_s: float) -> Any:
        service = f"sandbox service {self._client.base_url}"
        try:
            answer = self._client.post("/run", json=body, timeout=httpx.Timeout(timeout_s, connect=10.0))
        except httpx.TransportError as error:
            raise _Unavailable(f"{service} is away: {type(error).__name__}: {error}") from error
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise _Unavailable(f"{service} is full")
        if answer.status_code != httpx.codes.OK:
            raise SandboxError(f"{service}: {answer.status_code} {answer.text[:500]}")
        return answer.json()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
