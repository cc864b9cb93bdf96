"""The system calls that Python's library lacks: namespaces, mounts, and the signal at a parent's death."""

import ctypes
import os
from pathlib import Path

MS_NOSUID, MS_NODEV, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
MS_NOEXEC = 8
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    """mount(2).

    Raises:
        OSError: The kernel refuses.
    """
    result = _libc.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    _check(result, f"mount {kind or source} on {target}")


def unmount(target: Path) -> None:
    """Take a mount out of sight at once; the kernel frees it when nothing uses it any more."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


def enter_private_mounts(more: int = 0) -> None:
    """From here on this process's mounts are its own, and end with it. Single-threaded processes only.

    Without the right to do so (no CAP_SYS_ADMIN) it takes a user namespace of its own, in which it has it.

    Args:
        more: Further namespaces to enter: with ``CLONE_NEWPID`` the next child is process 1 of one.

    Raises:
        OSError: The kernel refuses that too.
    """
    if _libc.unshare(CLONE_NEWNS | more) != 0:
        uid, gid = os.getuid(), os.getgid()
        _check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | more), "unshare(CLONE_NEWUSER | CLONE_NEWNS)")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    mount("none", Path("/"), "", MS_REC | MS_PRIVATE)


def show_own_processes() -> None:
    """``/proc`` of this process's pid namespace; before, it is its parent's.

    Raises:
        OSError: The kernel refuses.
    """
    mount("proc", Path("/proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def signal_at_parents_death(number: int) -> None:
    """Get this signal when the thread that started this process ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
