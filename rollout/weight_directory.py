"""Where a run's weights lie in shared memory: a directory that no other run has, on every node that the run
uses, and that killed processes do not leave for good.

A directory is held by locks of the kernel, which end with the process that took them, however it ends.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "t2rl-weights-"
HELD = "held"
"""The file in it that those who use it lock together."""


class WeightDirectory:
    """A directory and a share in it, until ``leave`` or the end of this process."""

    def __init__(self, path: Path) -> None:
        """Make it if it is not there. Those beside it that nobody holds any more are removed first (they hold
        whole models)."""
        self.path = path
        _remove_abandoned(path.parent)
        self._held: int | None = _hold(path)

    @classmethod
    def fresh(cls, root: Path = SHARED_MEMORY) -> "WeightDirectory":
        """One that is new."""
        return cls(Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=root)))

    def leave(self) -> None:
        """Let go of it; who is the last one removes it. Idempotent."""
        if self._let_go():
            _remove_unless_held(self.path)

    def remove(self) -> None:
        """Remove it, whoever holds it on this node: the run is over."""
        self._let_go()
        shutil.rmtree(self.path, ignore_errors=True)

    def _let_go(self) -> bool:
        """False if it was let go before."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)
        return held is not None


def run_directory(file: Path) -> Path:
    """The directory of the run that ``file`` is in, at whatever depth; else the file's own."""
    return next((path for path in file.parents if path.name.startswith(PREFIX)), file.parent)


def _hold(path: Path) -> int:
    """Descriptor of the locked file, in a directory that is there: who removes one has it locked alone."""
    while True:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            held = os.open(path / HELD, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # removed since the line above
            continue
        fcntl.flock(held, fcntl.LOCK_SH)
        if _lies_at(path / HELD, held):
            return held
        os.close(held)


def _lies_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_abandoned(root: Path) -> None:
    for path in root.glob(f"{PREFIX}*"):
        _remove_unless_held(path)


def _remove_unless_held(path: Path) -> None:
    """One that cannot be opened is another user's. One without the file was left by a process that was killed
    between two lines, or is just being made by another, which makes it once more."""
    try:
        held = os.open(path / HELD, os.O_RDWR)
    except FileNotFoundError:
        with suppress(OSError):  # it holds other files, is gone or is another user's
            path.rmdir()
        return
    except (NotADirectoryError, PermissionError):
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:
        pass  # somebody is there
    finally:
        os.close(held)
