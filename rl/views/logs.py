"""The log files of a run, each with the name of the process that wrote it.

Ray names a worker's files by numbers; the first lines inside say which actor it was
(``:actor_name:engine-0``). While a run lives ``logs/ray`` is a link to Ray's own directory; afterwards it
holds copies, and ``logs/ray-1`` and so on those of earlier starts.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from rl.records.run_log import CONTROLLER

_WORKER = re.compile(r"worker-[0-9a-f]+-[0-9a-f]+-(\d+)\.(out|err)")
_NAME = re.compile(rb"^:actor_name:(.+)$", re.MULTILINE)
HEAD = 4096
"""Bytes at a file's start in which the name is."""
MARKS = (":job_id:", ":actor_name:", ":task_name:")
"""Ray's own lines in workers' files."""
OF_CLASSES = {
    "RolloutWorker": "engine",
    "LearnerActor": "learner",
    "VerifierHost": "verifier",
    "RewardModelHost": "reward_model",
}
"""Names of actors that had not said their own yet, or of T2RL 0.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """One file."""

    actor: str
    """``controller``, ``engine-0``, ``learner-1``, ...; ``engine`` where the number is not known."""
    pid: int | None
    stream: str
    """``log``, ``out`` or ``err``."""
    path: Path
    size: int
    written_at: float
    """Seconds since the epoch."""


def log_files(logs: Path) -> list[LogFile]:
    """Every file with something in it, by actor, the oldest first; [] without the directory."""
    found = [_file("controller", None, "log", logs / CONTROLLER)] if (logs / CONTROLLER).is_file() else []
    folders = sorted(path for path in logs.glob("ray*") if path.is_dir()) if logs.is_dir() else []
    for folder in folders:
        for path in folder.iterdir():
            match = _WORKER.fullmatch(path.name)
            name = None if match is None else _actor_in(path)
            if match is not None and name is not None and _says_something(path):
                found.append(_file(name, int(match[1]), match[2], path))
    return sorted(
        found, key=lambda file: (file.actor != "controller", file.actor, file.written_at, file.stream)
    )


def text_of(path: Path, *, tail: int | None = None) -> list[str]:
    """The lines as a terminal would show them: without Ray's marks, and of a progress bar its last state.

    Args:
        path: The file.
        tail: Only so many of the last lines.
    """
    lines = shown_lines(path.read_bytes().decode(errors="replace"))  # text mode would make \r a new line
    return lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]


def shown_lines(text: str) -> list[str]:
    """Lines of a piece of a log, as in :func:`text_of`."""
    lines = (line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
    kept = [line for line in lines if not line.startswith(MARKS)]
    return kept[:-1] if kept and not kept[-1] else kept


def _file(actor: str, pid: int | None, stream: str, path: Path) -> LogFile:
    state = path.stat()
    return LogFile(
        actor=actor, pid=pid, stream=stream, path=path, size=state.st_size, written_at=state.st_mtime
    )


def _says_something(path: Path) -> bool:
    return path.stat().st_size > HEAD or bool(text_of(path))


def _actor_in(path: Path) -> str | None:
    """The last name that the actor gave itself; None for a worker that never became one."""
    with path.open("rb") as file:
        names = _NAME.findall(file.read(HEAD))
    if not names:
        return None
    name = names[-1].decode(errors="replace").strip()
    return OF_CLASSES.get(name.partition("(")[0], name)
