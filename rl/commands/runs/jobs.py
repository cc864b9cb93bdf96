"""A launched run by its job: its state in words."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict

from rl.cluster.jobs import follow_job, job_log, job_state
from rl.views.words import duration

WELL = ("PENDING", "RUNNING", "SUCCEEDED", "STOPPED")


def print_job(address: str, job: str, *, as_json: bool) -> bool:
    """Print what the job is at; False where it failed.

    Raises:
        ConfigError: there is no such job, or no job server.
    """
    state = job_state(address, job)
    if as_json:
        print(json.dumps(asdict(state), indent=2))
        return state.status in WELL
    print(f"{state.job} ({state.name or state.command}): {state.status.lower()}")
    if state.started_at is not None:
        print(f"for {duration((state.ended_at or time.time()) - state.started_at)}")
    if state.exit_code is not None:
        print(f"exit code {state.exit_code}")
    if state.message:
        print(state.message)
    if state.exit_code is None:
        print("what it waits for: t2rl status RUN, on a machine that sees its run.dir")
    return state.status in WELL


def show_job_log(
    address: str, job: str, *, tail: int | None, follow: bool, say: Callable[[str], object]
) -> None:
    """Say what the job printed; with ``follow`` go on until it ends.

    Raises:
        ConfigError: there is no such job, or no job server.
    """
    if follow:
        follow_job(address, job, echo=lambda text: say(text.removesuffix("\n")))
        return
    lines = job_log(address, job).splitlines()
    for line in lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]:
        say(line)
