"""Jobs and outcomes as JSON-able values, for the supervisor's socket and for HTTP alike; bytes travel as
base64."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rewards.sandbox.base import Job, Limits, Outcome, Step, Stop
from rewards.sandbox.files import checked_name


def _text(content: bytes) -> str:
    return b64encode(content).decode("ascii")


def _bytes(text: Any, field: str) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"{field}: expected base64 text, got {type(text).__name__}")
    return b64decode(text, validate=True)


def job_to_wire(job: Job) -> dict[str, Any]:
    """Inverse of :func:`job_from_wire`.

    Raises:
        ValueError: A file's name leads out of the directory.
    """
    return {
        "files": {checked_name(name): _text(content) for name, content in job.files.items()},
        "steps": [
            {
                "argv": list(step.argv),
                "stdin": _text(step.stdin),
                "env": dict(step.env),
                "limits": asdict(step.limits),
                "keeps_changes": step.keeps_changes,
                "collect": [checked_name(name) for name in step.collect],
            }
            for step in job.steps
        ],
        "stop_at_failure": job.stop_at_failure,
    }


def job_from_wire(wire: Any) -> Job:
    """A job, checked: it may come from the network.

    Raises:
        ValueError: Names the field that does not fit.
    """
    _expect(wire, dict, "job")
    _expect(wire.get("files"), dict, "job.files")
    _expect(wire.get("steps"), list, "job.steps")
    return Job(
        files={
            checked_name(name): _bytes(text, f"job.files[{name!r}]") for name, text in wire["files"].items()
        },
        steps=[_step(step, f"job.steps[{i}]") for i, step in enumerate(wire["steps"])],
        stop_at_failure=bool(wire.get("stop_at_failure", True)),
    )


def _step(wire: Any, field: str) -> Step:
    _expect(wire, dict, field)
    argv, env, collect = wire.get("argv"), wire.get("env", {}), wire.get("collect", [])
    _expect(env, dict, f"{field}.env")
    for name, texts in (("argv", argv), ("collect", collect), ("env", [*env, *env.values()])):
        _expect(texts, list, f"{field}.{name}")
        for text in texts:
            _expect(text, str, f"{field}.{name}")
            if "\0" in text:
                raise ValueError(f"{field}.{name}: a null character")
    for name in env:
        if not name or "=" in name:
            raise ValueError(f"{field}.env: {name!r} is no name of a variable")
    if not argv:
        raise ValueError(f"{field}.argv: empty; the first item is the program")
    return Step(
        argv=tuple(argv),
        stdin=_bytes(wire.get("stdin", ""), f"{field}.stdin"),
        env=env,
        limits=_limits(wire.get("limits", {}), f"{field}.limits"),
        keeps_changes=bool(wire.get("keeps_changes", False)),
        collect=tuple(checked_name(name) for name in collect),
    )


def _limits(wire: Any, field: str) -> Limits:
    _expect(wire, dict, field)
    known = asdict(Limits())
    for name, value in wire.items():
        if name not in known:
            raise ValueError(f"{field}.{name} is unknown; there are {sorted(known)}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        # Some limits are whole: what is left of 0.5 processes is none.
        if not number or not 0 < value < float("inf") or not type(known[name])(value):
            raise ValueError(
                f"{field}.{name} is {value!r}; it must be a positive number, 1 at least if it is whole"
            )
    return Limits(**{name: type(known[name])(value) for name, value in wire.items()})


def outcome_to_wire(outcome: Outcome) -> dict[str, Any]:
    """Inverse of :func:`outcome_from_wire`."""
    return {
        "stop": outcome.stop.value,
        "exit_code": outcome.exit_code,
        "stdout": _text(outcome.stdout),
        "stderr": _text(outcome.stderr),
        "wall_s": outcome.wall_s,
        "cpu_s": outcome.cpu_s,
        "peak_mib": outcome.peak_mib,
        "files": {name: _text(content) for name, content in outcome.files.items()},
    }


def outcome_from_wire(wire: Mapping[str, Any]) -> Outcome:
    """Inverse of :func:`outcome_to_wire`."""
    return Outcome(
        stop=Stop(wire["stop"]),
        exit_code=int(wire["exit_code"]),
        stdout=_bytes(wire["stdout"], "stdout"),
        stderr=_bytes(wire["stderr"], "stderr"),
        wall_s=float(wire["wall_s"]),
        cpu_s=float(wire["cpu_s"]),
        peak_mib=float(wire["peak_mib"]),
        files={name: _bytes(text, name) for name, text in wire["files"].items()},
    )


def _expect(value: Any, kind: type, field: str) -> None:
    if not isinstance(value, kind):
        raise ValueError(f"{field}: expected {kind.__name__}, got {type(value).__name__}")
