"""Where a run's shared-memory weights lie: a directory that no other run has, and that a killed run does not
leave for good."""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "t2rl-weights-"


def fresh_weight_directory(root: Path = SHARED_MEMORY) -> Path:
    """A new directory of this process's own; those of processes that are gone are removed first (they hold
    whole models)."""
    for path in root.glob(f"{PREFIX}*"):
        owner = path.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)) and path.stat().st_uid == os.getuid():
            shutil.rmtree(path, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=root))
