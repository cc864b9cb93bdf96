"""The ground that a run under chaos stands on, apart from the rest of the machine: namespaces of its own (so
that all of its processes and shared memory are known), a small disk, a wall clock, and a tracker's server."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from rewards.sandbox.kernel import enter_private_mounts, mount

CLONE_NEWUTS, CLONE_NEWIPC = 0x4000000, 0x8000000
SHARED_MEMORY = Path("/dev/shm")
BUSY_S = 30.0
"""Seconds in which whoever has files open on a disk must have left, once the run has ended."""
SOURCE = Path(__file__).with_name("clock_shift.c")


class Unable(RuntimeError):
    """This machine does not give what a fault needs; says what is missing."""


def enter_namespaces() -> str:
    """From here on mounts, shared memory and System V's objects are this process's and its descendants' own;
    returns the id that tells them. Before any thread starts.

    Raises:
        Unable: The kernel refuses.
    """
    try:
        enter_private_mounts()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWUTS | CLONE_NEWIPC) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        mount("tmpfs", SHARED_MEMORY, "tmpfs", 0, "mode=1777")
    except OSError as error:
        raise Unable(f"namespaces of its own ({error}): run it as root") from error
    return namespace_of(os.getpid()) or ""


def namespace_of(pid: int) -> str | None:
    """The namespace of a live process; None for one that is gone or not ours to look at."""
    try:
        return str(Path(f"/proc/{pid}/ns/uts").readlink())
    except OSError:
        return None


def members(namespace: str) -> list[psutil.Process]:
    """Live processes in it, without this one; zombies are not live."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            inside = process.pid != os.getpid() and namespace_of(process.pid) == namespace
            if inside and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_all(namespace: str) -> list[str]:
    """Kill every process in it; returns their command lines."""
    ended = []
    for process in members(namespace):
        with contextlib.suppress(psutil.NoSuchProcess):
            ended.append(" ".join(process.cmdline())[:120] or process.name())
            process.kill()
    return ended


class Disk:
    """A small ext4 on a loop device, or a tmpfs where there are none; ``image`` keeps the first kind's bytes
    over restarts of this program."""

    def __init__(self, place: Path, image: Path, *, mib: int) -> None:
        self.place, self._image, self._mib = place, image, mib
        self.kind = "none"

    def mount(self) -> None:
        """Make it if it is not there, mend what an abort left, and mount it."""
        self.place.mkdir(parents=True, exist_ok=True)
        if shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists():
            mount("tmpfs", self.place, "tmpfs", 0, f"size={self._mib}m")
            self.kind = "tmpfs"
            return
        if not self._image.is_file():
            with self._image.open("wb") as file:
                file.truncate(self._mib << 20)
            _command("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        subprocess.run(["e2fsck", "-p", str(self._image)], capture_output=True, check=False)
        _command("mount", "-o", "loop", str(self._image), str(self.place))
        self.kind = "ext4"

    def unmount(self) -> list[str]:
        """Wait until nobody uses it, then take it away; returns the processes that had to be ended for it,
        ``BUSY_S`` later."""
        ended: list[str] = []
        deadline = time.monotonic() + BUSY_S
        while not self._taken_away():
            if time.monotonic() > deadline:
                ended += end_all(namespace_of(os.getpid()) or "")
                deadline += BUSY_S
            time.sleep(0.5)
        return ended

    def _taken_away(self) -> bool:
        """Unmount it; returns whether nobody holds it any more. A process in another mount namespace may:
        mounted again meanwhile, it would be the same file system, and would still refuse writes."""
        if self.place.is_mount() and subprocess.run(["umount", self.place], capture_output=True).returncode:
            return False
        loops = ["losetup", "--associated", str(self._image)]
        return self.kind != "ext4" or not subprocess.run(loops, capture_output=True, check=True).stdout

    def fill(self) -> None:
        """Leave no room."""
        with (self.place / "ballast").open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size):
                        pass
                    file.flush()
            with contextlib.suppress(OSError):
                os.fsync(file.fileno())

    def empty(self) -> None:
        """Give the room back."""
        (self.place / "ballast").unlink(missing_ok=True)

    def refuse_writes(self) -> None:
        """What the kernel does to a disk after an I/O error: every write fails, also to files that are
        open."""
        assert self.kind == "ext4"
        _command("mount", "-o", "remount,abort", str(self.place))

    def mend(self) -> list[str]:
        """Bring it back, once the run has ended; returns as ``unmount``."""
        ended = self.unmount()
        self.mount()
        return ended


class Clock:
    """A wall clock that can be set for the run's processes (``clock_shift.c``)."""

    def __init__(self, folder: Path) -> None:
        self._file, self._library = folder / "clock-shift", folder / "clock-shift.so"
        self.ahead = 0
        self.set(0)
        compiler = shutil.which("cc") or shutil.which("gcc")
        self.works = compiler is not None
        if compiler is not None:
            command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE), "-ldl"]
            subprocess.run(command, check=True)

    def set(self, ahead: int) -> None:
        """Seconds that the run's clock is ahead of the machine's."""
        self.ahead = ahead
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("q", ahead))

    def environment(self) -> dict[str, str]:
        """For the run's processes."""
        if not self.works:
            return {}
        return {"LD_PRELOAD": str(self._library), "T2RL_CLOCK_SHIFT": str(self._file)}


class TrackerServer:
    """Answers posts with 200, or is out of reach in one of two ways: closed, or silent."""

    def __init__(self) -> None:
        self._listener: socket.socket | None = None
        self._silent = False
        self._held: list[socket.socket] = []
        self.posts = 0
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.open()

    def open(self, *, silent: bool = False) -> None:
        """Listen; ``silent`` takes connections and says nothing."""
        self._silent = silent
        for held in self._held:
            held.close()
        self._held = []
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if self._silent:
                self._held.append(connection)
                continue
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5.0)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            length = 0
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            stream.read(length)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.posts += 1


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process stands still inside the block, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    yield
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _command(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unable(f"{' '.join(words)}: {done.stderr.strip()}")
