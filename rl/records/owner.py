"""The process that a run directory belongs to, told from a stranger that inherited its number."""

import os
import socket
from dataclasses import asdict, dataclass
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Owner:
    """A process on one host."""

    pid: int
    created: float
    """Its start, in seconds since the epoch, as the kernel says it."""
    host: str

    @classmethod
    def me(cls) -> "Owner":
        """This process."""
        return cls(os.getpid(), psutil.Process().create_time(), socket.gethostname())

    @classmethod
    def read(cls, claim: dict[str, Any]) -> "Owner":
        """The owner that ``as_json`` wrote; a claim without a host (T2RL 0.2) is taken for one of this
        host's."""
        return cls(int(claim["pid"]), float(claim["created"]), str(claim.get("host") or socket.gethostname()))

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
        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False
