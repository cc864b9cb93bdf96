"""The real things, each in a process of its own with a deadline: Ray starts, an engine answers, a learner
steps."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rl.commands.doctor.check import Check

TIMEOUT_S = 180.0
PROBES = {
    "ray": (
        "look at what it printed; an old Ray on this machine (ray stop) or a full temporary directory are the"
        " usual causes"
    ),
    "engine": (
        "vLLM cannot serve a model of a few thousand parameters here: see what it printed, then the packages"
        " above"
    ),
    "learner": "DeepSpeed cannot take a step here: see what it printed, then the packages above",
}
"""Probe -> what to do when it fails. ``rl/commands/doctor/probe_NAME.py`` prints one JSON line ``{"found":
...}`` at the end."""


def live_checks() -> list[Check]:
    """One probe after the other, so that they do not fight for memory."""
    with tempfile.TemporaryDirectory(prefix="t2rl-doctor-") as scratch:
        return [run_probe(name, Path(scratch)) for name in PROBES]


def run_probe(name: str, scratch: Path, *, timeout_s: float = TIMEOUT_S) -> Check:
    """Run ``python -m rl.commands.doctor.probe_NAME SCRATCH`` in a session of its own; all of it is gone when
    this returns."""
    command = [sys.executable, "-m", f"rl.commands.doctor.probe_{name}", str(scratch)]
    began = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return Check(name=name, status="fail", found=f"no answer in {timeout_s:g} s", remedy=PROBES[name])
        finally:
            _kill_session(process)
    lines = [line for line in output.strip().splitlines() if line.strip()]
    if process.returncode != 0:
        return Check(
            name=name,
            status="fail",
            found=lines[-1] if lines else f"exit code {process.returncode}",
            remedy=PROBES[name],
        )
    found = json.loads(lines[-1])["found"]
    return Check(name=name, status="ok", found=f"{found} ({time.monotonic() - began:.0f} s)")


def _kill_session(process: subprocess.Popen[str]) -> None:
    """Kill the probe and whatever it started and left behind in its process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
