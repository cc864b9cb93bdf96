"""Where programs that a model wrote run: isolated, bounded, and killed with everything they started."""

from collections.abc import Mapping
from typing import Any

from rewards.sandbox.base import Job, Limits, Outcome, Sandbox, SandboxError, Step, Stop

__all__ = ["Job", "Limits", "Outcome", "Sandbox", "SandboxError", "Step", "Stop", "open_sandbox"]


def open_sandbox(spec: str | Mapping[str, Any] = "local") -> Sandbox:
    """The sandbox that a config names.

    Args:
        spec: ``local`` (bubblewrap on this machine), ``unsafe_subprocess`` (rlimits and nothing else; warns),
            the address of a ``t2rl sandbox serve``, ``http://host:port``; or a mapping {kind: one of these,
            further arguments of the class}.

    Raises:
        ValueError: No such kind, or arguments that do not fit it.
        SandboxError: It cannot run here; says what to do.
    """
    arguments = {"kind": spec} if isinstance(spec, str) else dict(spec)
    kind = str(arguments.pop("kind", "local"))
    try:
        return _open(kind, arguments)
    except TypeError as error:
        raise ValueError(f"sandbox: {kind!r} does not take {arguments}: {error}") from error


def _open(kind: str, arguments: dict[str, Any]) -> Sandbox:
    if kind == "local":
        from rewards.sandbox.local import LocalSandbox

        return LocalSandbox(**arguments)
    if kind == "unsafe_subprocess":
        from rewards.sandbox.unsafe import UnsafeSubprocess

        return UnsafeSubprocess(**arguments)
    if kind.startswith(("http://", "https://")):
        from rewards.sandbox.remote import RemoteSandbox

        return RemoteSandbox(kind, **arguments)
    raise ValueError(f"sandbox: {kind!r} is unknown; use local, unsafe_subprocess or http://host:port")
