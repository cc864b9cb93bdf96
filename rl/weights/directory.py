"""Where a run's shared-memory weights lie: a directory that no other run has, and that a killed run does not
leave for good."""

import os
import shutil
import tempfile
from pathlib import Path

from rl.records.owner import birth

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "t2rl-weights-"


def fresh_weight_directory(root: Path = SHARED_MEMORY) -> Path:
    """A new directory of this process's own; those of processes that are gone are removed first (they hold
    whole models)."""
    for path in root.glob(f"{PREFIX}*"):
        if _abandoned(path.name) and path.stat().st_uid == os.getuid():
            shutil.rmtree(path, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-{_moment(os.getpid())}-", dir=root))


def _abandoned(name: str) -> bool:
    """Whether the process that the name tells of is gone; one with its number that was born at another moment
    is a stranger. Names of T2RL 0.3 have no moment."""
    pid, _, rest = name.removeprefix(PREFIX).partition("-")
    if not pid.isdigit():
        return False
    moment, known, _ = rest.rpartition("-")
    now = _moment(int(pid))
    return now != moment if known else not now


def _moment(pid: int) -> str:
    """When a live process was born, as a part of a name; empty for one that is gone. Shared memory does not
    outlive a boot, so the boot is left out."""
    return (birth(pid) or "").rpartition("/")[2]
