"""The process that a run directory belongs to, told from a stranger that inherited its number.

A pid comes again, and wall clocks are set. psutil's ``create_time`` adds the boot's time by the wall clock,
so it moves with every correction of that clock; the kernel's own count since the boot does not.
"""

import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

BOOT = Path("/proc/sys/kernel/random/boot_id")
STARTED = 19
"""The start's place in ``/proc/PID/stat`` behind the name, which ends with the last bracket."""


def birth(pid: int) -> str | None:
    """The moment a live process was started, in a form that no clock can change: equal for one process and
    no other. None for one that is gone, or a zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if not BOOT.is_file():  # not Linux
            return repr(process.create_time())
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[STARTED]
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None
    return f"{BOOT.read_text(encoding='utf-8').strip()}/{ticks}"


@dataclass(frozen=True, slots=True)
class Owner:
    """A process on one host."""

    pid: int
    created: float
    """Its start, in seconds since the epoch, by the clock of the moment that it was asked; for people."""
    host: str
    born: str | None = None
    """:func:`birth`; None in the claim of an older T2RL, which is told by ``created``."""

    @classmethod
    def me(cls) -> "Owner":
        """This process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> "Owner":
        """A live process of this host."""
        return cls(pid, psutil.Process(pid).create_time(), socket.gethostname(), birth(pid))

    @classmethod
    def read(cls, claim: dict[str, Any]) -> "Owner":
        """The owner that ``as_json`` wrote; a claim without a host (T2RL 0.2) is taken for one of this
        host's."""
        host = str(claim.get("host") or socket.gethostname())
        return cls(int(claim["pid"]), float(claim["created"]), host, claim.get("born"))

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)

    @property
    def here(self) -> bool:
        """True on its own host."""
        return self.host == socket.gethostname()

    @property
    def alive(self) -> bool | None:
        """Whether the process lives; None for one on another host, which cannot be seen from here."""
        if not self.here:
            return None
        if self.born is not None:
            return birth(self.pid) == self.born
        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False
