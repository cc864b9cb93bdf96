"""Jobs on a cluster's job server: the one that a run was launched as, looked at, followed and stopped."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rl.config.errors import ConfigError

POLL_S = 2.0
STOPPED = 130
"""Exit code of a job that somebody stopped."""
STOP_WAIT_S = 600
"""Seconds between a job's SIGTERM and its SIGKILL: a run finishes its step and writes a checkpoint. Ray's own
3 would lose both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job as its server describes it."""

    job: str
    status: str
    """PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED."""
    name: str
    """``run.name``; '' where the job was not launched by us."""
    command: str
    message: str
    started_at: float | None
    """Seconds since 1970."""
    ended_at: float | None
    exit_code: int | None
    """0, the driver's own, or 130 for a job that was stopped; None while it lives."""


@contextmanager
def job_server(address: str) -> Iterator[Any]:
    """Ray's client of the job server at ``address``.

    Raises:
        ConfigError: No dashboard answers, it has no job server, or it asks for a token; likewise inside the
            block.
    """
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    try:
        yield JobSubmissionClient(address)
    except AuthenticationError as error:
        raise ConfigError(
            f"--address {address}: the cluster asks for its token; set RAY_AUTH_MODE=token, with the"
            " head's ~/.ray/auth_token in RAY_AUTH_TOKEN or in that file here"
        ) from error
    except (ConnectionError, RuntimeError) as error:
        raise ConfigError(
            f"--address {address}: the job server does not do this ({str(error).strip().splitlines()[0]})."
            " The head needs Ray's dashboard and job server: pip install 'ray[default]' there, ray start"
            " --head, and reach port 8265 (ray dashboard forwards it)"
        ) from error


def job_state(address: str, job: str) -> JobState:
    """The job as it is now.

    Raises:
        ConfigError: As of :func:`job_server`, or there is no such job.
    """
    with job_server(address) as client:
        try:
            info = client.get_job_info(job)
        except RuntimeError as error:
            if "404" not in str(error) and "does not exist" not in str(error):
                raise
            raise ConfigError(
                f"--address {address}: there is no job {job} (ray job list shows them)"
            ) from error
    return JobState(
        job=job,
        status=str(info.status),
        name=(info.metadata or {}).get("name", ""),
        command=info.entrypoint,
        message=info.message or "",
        started_at=None if info.start_time is None else info.start_time / 1000,
        ended_at=None if info.end_time is None else info.end_time / 1000,
        exit_code=exit_code(info) if info.status.is_terminal() else None,
    )


def job_log(address: str, job: str) -> str:
    """Everything that the job has printed so far.

    Raises:
        ConfigError: As of :func:`job_state`.
    """
    job_state(address, job)
    with job_server(address) as client:
        return str(client.get_job_logs(job))


def follow_job(address: str, job: str, *, echo: Callable[[str], object]) -> int:
    """Pass on what the job prints until it ends, and return its exit code. Ctrl-C ends this, not the job.

    Raises:
        ConfigError: As of :func:`job_state`.
        KeyboardInterrupt: Saying how to go on.
    """
    job_state(address, job)
    with job_server(address) as client:
        try:
            asyncio.run(_follow(client, job, echo))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"job {job} goes on; t2rl logs {job} --address {address} --follow follows it again"
            ) from None
    # The log ends early if its connection breaks; the job's own end is what counts.
    while (code := job_state(address, job).exit_code) is None:
        time.sleep(POLL_S)
    return code


def stop_job(address: str, job: str, *, timeout_s: float, say: Callable[[str], object]) -> bool:
    """Have a run's job finish its step, write a checkpoint and leave; True once it has.

    Raises:
        ConfigError: As of :func:`job_state`.
    """
    state = job_state(address, job)
    if state.exit_code is not None:
        say(f"job {job} is not running: {state.status}")
        return True
    with job_server(address) as client:
        client.stop_job(job)
    say(f"job {job} was asked to finish its step and to write a checkpoint")
    deadline = time.monotonic() + timeout_s
    while job_state(address, job).exit_code is None:
        if time.monotonic() > deadline:
            say(f"it is still there after {timeout_s:g} s; t2rl logs {job} --address {address} shows why")
            return False
        time.sleep(POLL_S)
    say("it has left; launched again with resume=auto it goes on")
    return True


def exit_code(info: Any) -> int:
    """0, the driver's own exit code, or 130 for a job that was stopped."""
    if info.status == "SUCCEEDED":
        return 0
    if info.status == "STOPPED":
        return STOPPED
    return info.driver_exit_code or 1


async def _follow(client: Any, job: str, echo: Callable[[str], object]) -> None:
    async for text in client.tail_job_logs(job):
        echo(text)
