"""The one interface between what judges programs and what runs them; backends are local (bubblewrap) and
remote (HTTP)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Stop(StrEnum):
    """Why a process tree ended."""

    EXIT = "exit"
    """By itself; see the exit code."""
    WALL = "wall"
    CPU = "cpu"
    MEMORY = "memory"
    PROCESSES = "processes"
    OUTPUT = "output"
    DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that hold for the whole process tree of one step."""

    wall_s: float = 10.0
    cpu_s: float = 10.0
    memory_mib: int = 512
    processes: int = 64
    """Processes and threads alive at once."""
    output_kib: int = 1024
    """Limit of stdout, and of stderr."""
    disk_mib: int = 64
    """Written to the directory and to /tmp together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command in the job's directory."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    """Beside the sandbox's own minimal environment; nothing of the host's is inherited."""
    limits: Limits = Limits()
    keeps_changes: bool = False
    """True: what it writes in the directory is there for later steps (a compiler). False: later steps see
    nothing of it (a tested program, which could otherwise tamper with its next run)."""
    collect: tuple[str, ...] = ()
    """Files, relative to the directory, whose content after the step goes into the outcome, if they exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one step."""

    stop: Stop
    exit_code: int
    """As a shell's caller sees it: negative = killed by that signal; meaningless unless ``stop`` is EXIT."""
    stdout: bytes
    stderr: bytes
    wall_s: float
    cpu_s: float
    peak_mib: float
    """Largest memory of the tree that was seen."""
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Ended by itself with exit code 0."""
        return self.stop is Stop.EXIT and self.exit_code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Files of a fresh private directory, and the steps that run in it, one after the other."""

    files: Mapping[str, bytes]
    """Relative path -> content; no ``..``, not absolute."""
    steps: Sequence[Step]
    stop_at_failure: bool = True
    """No further step after one that is not ``ok``: its outcome is the last of the list."""


class Sandbox(Protocol):
    """Runs jobs. Thread-safe; every call leaves no process, file or mount behind, even when the caller is
    killed."""

    def run(self, job: Job) -> list[Outcome]:
        """Outcomes of the steps that ran, in order.

        Raises:
            SandboxError: The sandbox itself failed; that says nothing about the program.
        """
        ...

    def run_linked(self, tested: Job, tester: Job) -> tuple[list[Outcome], list[Outcome]]:
        """Two jobs side by side, each in its own sandbox, joined by nothing but a socket.

        All steps but the last of each run first (compilers). Then both last steps start together, and each
        has one end of a stream socket pair as file descriptor 3. When one ends, the other sees end-of-file;
        the tested program is killed when the tester has ended. The verdict is the tester's outcome, which the
        tested program has no way to write.
        """
        ...

    def close(self) -> None:
        """End what runs, and take no more jobs. Idempotent."""
        ...


class SandboxError(RuntimeError):
    """The sandbox could not run a job: it is missing, refused by the kernel, or unreachable."""
