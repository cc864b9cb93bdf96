"""Bounds by the kernel for a whole process tree, where control groups can be written; version 2, or the older
version 1.

They hold between two looks of the supervisor, and count memory that no process shows: files in a tmpfs,
socket buffers. Version 2 also counts the CPU time of children that nobody waited for. Of version 1 only the
memory controller is used: each controller is a hierarchy of its own there, and moving a process into one
takes milliseconds.
"""

import contextlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from rewards.processes.alive import is_alive
from rewards.sandbox.base import Limits
from rewards.sandbox.bubblewrap import PROCESS_SLACK

PREFIX = "t2rl-sandbox-"
SLACK_MIB = 32
"""Room above the memory bound: the kernel's own structures, bubblewrap, and time for the supervisor to see
the limit passed."""
V2_CONTROLLERS = ("memory", "pids")
V1_CONTROLLERS = ("memory",)
REMOVE_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Groups:
    """Where groups are made: controller -> directory of this supervisor. In version 2 all are the same
    directory."""

    version: int
    bases: dict[str, Path]

    def open(self, name: str, limits: Limits) -> "Group":
        """A fresh group with these limits.

        Raises:
            OSError: It cannot be made.
        """
        group = Group(self.version, {controller: base / name for controller, base in self.bases.items()})
        group.make(limits)
        return group

    def close(self) -> None:
        """Remove the directories, if empty."""
        for base in set(self.bases.values()):
            with contextlib.suppress(OSError):
                base.rmdir()


@dataclass(frozen=True, slots=True)
class Group:
    """One sandbox's group."""

    version: int
    places: dict[str, Path]

    def make(self, limits: Limits) -> None:
        """Directories and bounds."""
        for place in set(self.places.values()):
            place.mkdir()
        # Files in the sandbox's tmpfs are memory too.
        memory = (limits.memory_mib + limits.disk_mib + SLACK_MIB) << 20
        names = {"memory": "memory.max" if self.version == 2 else "memory.limit_in_bytes", "pids": "pids.max"}
        for controller, value in (("memory", memory), ("pids", limits.processes + PROCESS_SLACK + 1)):
            if controller in self.places:
                (self.places[controller] / names[controller]).write_text(str(value))
        for name, value in (("memory.swap.max", 0), ("memory.oom.group", 1)):
            file = self.places["memory"] / name
            if file.exists():
                file.write_text(str(value))

    def add(self, pid: int) -> None:
        """Move a process in; what it forks is born inside."""
        for place in set(self.places.values()):
            (place / "cgroup.procs").write_text(str(pid))

    def out_of_memory(self) -> bool:
        """The kernel has killed for memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        found = re.search(r"^oom_kill (\d+)", (self.places["memory"] / name).read_text(), re.MULTILINE)
        return found is not None and int(found[1]) > 0

    def cpu_s(self) -> float:
        """CPU seconds so far, of the dead too; 0 where it is not counted."""
        if self.version == 2:
            return int((self.places["memory"] / "cpu.stat").read_text().split()[1]) / 1e6
        return 0.0

    def close(self) -> None:
        """Remove; the members are dead, but the kernel may need a moment."""
        for place in set(self.places.values()):
            deadline = time.monotonic() + REMOVE_TIMEOUT_S
            while not _removed(place) and time.monotonic() < deadline:
                time.sleep(0.002)


def find_groups(pid: int) -> Groups | None:
    """Groups that this process, which ``/proc`` calls ``pid``, can make; None if it cannot bound memory by
    them. Sweeps those of dead supervisors."""
    own = _own_groups(Path("/proc/self/cgroup").read_text())
    mounts = _mounts(Path("/proc/self/mounts").read_text())
    return _version_1(pid, own, mounts) or (_version_2(pid, own[""], mounts[""]) if "" in mounts else None)


def _own_groups(text: str) -> dict[str, str]:
    """Controller -> this process's path in its hierarchy; '' stands for version 2."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _mounts(text: str) -> dict[str, Path]:
    """Controller -> where its hierarchy is mounted; '' stands for version 2."""
    found = {}
    for line in text.splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found[""] = Path(place)
        elif kind == "cgroup":
            found.update({option: Path(place) for option in options.split(",") if option in V1_CONTROLLERS})
    return found


def _version_1(pid: int, own: dict[str, str], mounts: dict[str, Path]) -> Groups | None:
    if "memory" not in mounts or "memory" not in own:
        return None
    base = _made(pid, mounts["memory"] / own["memory"].lstrip("/"), "memory.limit_in_bytes")
    return Groups(1, {"memory": base}) if base is not None else None


def _version_2(pid: int, own: str, mount: Path) -> Groups | None:
    """Below the first ancestor, this process's own group last, that hands on the controllers or can be told
    to."""
    here = mount / own.lstrip("/")
    for parent in dict.fromkeys((here.parent, mount, here)):
        if parent != mount.parent and _hand_on(parent):
            base = _made(pid, parent, "memory.max")
            if base is not None and _hand_on(base):
                return Groups(2, dict.fromkeys(V2_CONTROLLERS, base))
            if base is not None:
                base.rmdir()
    return None


def _hand_on(group: Path) -> bool:
    try:
        if not set(V2_CONTROLLERS) <= set((group / "cgroup.subtree_control").read_text().split()):
            (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in V2_CONTROLLERS))
    except OSError:
        return False
    return True


def _made(pid: int, parent: Path, needed: str) -> Path | None:
    """A directory for this process below ``parent``, if it can be made and gets the file that is needed."""
    _sweep(parent)
    base = parent / f"{PREFIX}{pid}"
    try:
        base.mkdir(exist_ok=True)
        if os.access(base / needed, os.W_OK):
            return base
        base.rmdir()
    except OSError:
        return None
    return None


def _sweep(parent: Path) -> None:
    """Empty groups of supervisors that were killed; a group with members cannot be removed, so no living one
    is harmed."""
    for base in parent.glob(f"{PREFIX}*"):
        if not is_alive(int(base.name.removeprefix(PREFIX))):
            for group in [*base.glob("s*/"), base]:
                _removed(group)


def _removed(place: Path) -> bool:
    try:
        place.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
