"""Where programs write: one size-bounded tmpfs per job or throw-away copy, in the supervisor's private mount
namespace.

Nothing of it is a file of the host, and the kernel frees it when the supervisor and the sandbox are gone,
however they went.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from rewards.sandbox import kernel
from rewards.sandbox.files import copied_size, copy_tree, read_named, write_files

WRITABLE = ("box", "tmp", "shm")
"""The job's directory, /tmp and /dev/shm."""
SLACK_MIB = 1
"""The tmpfs is larger than the limit by this much, so that reaching the limit can be told from filling it
exactly."""
INODES = 32_768
SPARSE_MIB = 64
"""A copy may be larger than its original by this much: holes are filled."""
MIB = 1 << 20


class Scratch:
    """A mounted tmpfs with the directories ``WRITABLE``.

    Args:
        path: Where; made here, removed by ``close``.
        owner: uid and gid that may write.
    """

    def __init__(self, path: Path, owner: int) -> None:
        path.mkdir(mode=0o711)
        kernel.mount(
            "tmpfs", path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"mode=0711,nr_inodes={INODES}"
        )
        self.path, self.owner, self._before = path, owner, 0
        for name in WRITABLE:
            (path / name).mkdir(mode=0o700)
            os.chown(path / name, owner, owner)

    def add(self, files: Mapping[str, bytes]) -> None:
        """Write files below ``box``."""
        write_files(self.path / "box", files, self.owner)

    def copy_from(self, other: "Scratch") -> None:
        """Copy the other's ``box``, owners and links as they are."""
        copy_tree(other.path / "box", self.path / "box", self.owner)

    def allow(self, mib: int) -> None:
        """From now on ``mib`` MiB may be written."""
        self._before = self._used()
        size = self._before + (mib + SLACK_MIB) * MIB
        flags = kernel.MS_REMOUNT | kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("tmpfs", self.path, "tmpfs", flags, f"size={size},nr_inodes={INODES}")

    def _used(self) -> int:
        usage = os.statvfs(self.path)
        return (usage.f_blocks - usage.f_bfree) * usage.f_frsize if usage.f_blocks else 0

    def exceeds(self, mib: int) -> bool:
        """More than ``mib`` MiB written since ``allow``, or no room for another file."""
        usage = os.statvfs(self.path)
        return self._used() - self._before > mib * MIB or usage.f_ffree == 0

    def collect(self, names: tuple[str, ...]) -> dict[str, bytes]:
        """Contents of those of the named files that exist and are plain files reached through no link."""
        return read_named(self.path / "box", names)

    def tidy(self) -> bool:
        """After a step that keeps its changes: empty /tmp and /dev/shm; False if what it left cannot be
        copied."""
        for name in ("tmp", "shm"):
            for entry in (self.path / name).iterdir():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        size = copied_size(self.path / "box")
        return size is not None and size <= self._used() + SPARSE_MIB * MIB

    def close(self) -> None:
        """Unmount and remove."""
        kernel.unmount(self.path)
        self.path.rmdir()
