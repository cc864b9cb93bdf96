"""Stop a run from another terminal: one signal to its process, and patience until it has left."""

import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGTERM

import psutil

from rl.commands.runs.resume import how_to_go_on
from rl.records.owner import Owner
from rl.records.status import DIED
from rl.views.run_view import RunView
from rl.views.standing import standing
from rl.views.words import duration

POLL_S = 0.2
SAY_EVERY_S = 5.0
AGAIN_S = 1.0
"""Between the two signals of ``--now``: each is to be noticed."""


def stop_run(path: Path, *, now: bool, timeout_s: float, say: Callable[[str], object]) -> bool:
    """Stop the run and wait until its process has left; True once it has, or had before.

    Args:
        path: Its directory.
        now: Also ask a second time, after which it leaves at once, without a checkpoint.
        timeout_s: Longest wait.
        say: Gets lines for the user.

    Raises:
        ValueError: It is no run, its process is on another host, or another user's.
    """
    run = RunView(path)
    owner = run.files.owner()
    if owner is None or owner.alive is False:
        say(f"{run.name} is not running. {_ending(run)}")
        return True
    if not owner.here:
        raise ValueError(
            f"{path} is run by process {owner.pid} on host {owner.host}: run t2rl stop {run.path} there"
        )
    status = run.status() or {}
    asked = status.get("state") == "stopping"
    if not asked:
        _signal(owner, run)
        if now:
            time.sleep(AGAIN_S)
    if (now or asked) and owner.alive:
        if now:
            _signal(owner, run)
        else:
            say(f"{run.name} is stopping already; t2rl stop --now {path} has it leave at once")
    if not now and not asked:
        say(f"asked process {owner.pid} to stop: it finishes its step and writes a checkpoint")
    if _gone(owner, run, timeout_s=timeout_s, say=say):
        say(f"{run.name} has left. {_ending(run)}")
        return True
    hint = (
        f"kill -9 {owner.pid} ends it without a word"
        if now
        else f"t2rl stop --now {path} has it leave at once"
    )
    say(f"{run.name} is still there after {duration(timeout_s)} ({_at(run)}); {hint}")
    return False


def _signal(owner: Owner, run: RunView) -> None:
    try:
        process = psutil.Process(owner.pid)
        if owner.alive:
            process.send_signal(SIGTERM)  # psutil compares start times once more
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise ValueError(
            f"{run.path} is run by process {owner.pid} of another user, who has to stop it"
        ) from error


def _gone(owner: Owner, run: RunView, *, timeout_s: float, say: Callable[[str], object]) -> bool:
    began = said = time.monotonic()
    while owner.alive:
        now = time.monotonic()
        if now - began >= timeout_s:
            return False
        if now - said >= SAY_EVERY_S:
            said = now
            say(f"  {duration(now - began)}: {_at(run)}")
        time.sleep(POLL_S)
    return True


def _at(run: RunView) -> str:
    """State, step and the wait that holds it up."""
    status = run.status()
    if status is None:
        return f"step {run.steps_done}"
    waits = [
        f"{name} waits for {loop['waits_for']}"
        for name, loop in status["loops"].items()
        if loop["waits_for"] is not None and loop.get("limit_s") is not None
    ]
    at = status["phase"] if status["state"] == "starting" else f"step {status['step']}"
    return "; ".join([f"{status['state']}, {at}", *waits[:2]])


def _ending(run: RunView) -> str:
    now = standing(run)
    if now.state == "finished":
        return f"It finished at step {now.step}."
    if now.state in (DIED, "failed", "stopped"):
        verb = "was stopped" if now.state == "stopped" else now.state
        return f"It {verb} at step {now.step}. {how_to_go_on(run.path)}"
    return how_to_go_on(run.path)
