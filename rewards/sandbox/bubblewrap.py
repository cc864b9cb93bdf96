"""The command line of bubblewrap, and whether it is there."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from rewards.sandbox.base import SandboxError, Step
from rewards.sandbox.view import system_arguments

INSTALL = (
    "install bubblewrap: apt-get install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora), or ask"
    " who runs this host"
)
INNER_ID = "1000"
DIRECTORY = "/box"
INIT = "/init/sh"
INIT_SCRIPT = '"$@"; exit $?'
"""Process 1 of the sandbox: a shell that runs the program, reaps orphans and ends with the program's exit
code. bubblewrap's own would run outside the system call filter. The binary is a copy that can be executed but
not read, so that the kernel keeps the program, which has the same uid, out of its memory."""
OPEN_FILES = 256
PROCESS_SLACK = 4
"""The kernel refuses a fork only this far above the limit, so that the supervisor sees the limit passed and
can say so."""
ENVIRONMENT = {
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "USER": "sandbox",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def find_bwrap() -> str:
    """Path of the bwrap binary.

    Raises:
        SandboxError: It is not installed; says how to.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise SandboxError(
            f"bwrap is not on PATH; {INSTALL}. Code is not run without it unless sandbox=unsafe_subprocess"
            " says so"
        )
    return path


def bwrap_version(path: str) -> tuple[int, ...]:
    """Such as (0, 8, 0)."""
    text = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    return tuple(int(part) for part in text.split()[-1].split("."))


def arguments(
    bwrap: str,
    step: Step,
    *,
    scratch: Path,
    read_only: Mapping[Path, Path],
    search_path: str,
    descriptors: Mapping[str, int],
) -> list[str]:
    """The whole command.

    Args:
        bwrap: Path of the binary.
        step: What to run.
        scratch: Directory with ``box``, ``tmp`` and ``shm``, the only places that can be written.
        read_only: Path inside -> where the directory or file is now.
        search_path: PATH inside.
        descriptors: bubblewrap's option (``json-status-fd``, ``block-fd``, ``seccomp``) -> descriptor.
    """
    command = [
        bwrap,
        "--unshare-all",
        "--unshare-user",
        "--disable-userns",
        "--as-pid-1",
        "--uid",
        INNER_ID,
        "--gid",
        INNER_ID,
    ]
    command += ["--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"]
    command += system_arguments()
    command += ["--proc", "/proc", "--dev", "/dev"]
    for name, inside in (("box", DIRECTORY), ("tmp", "/tmp"), ("shm", "/dev/shm")):
        command += ["--bind", str(scratch / name), inside]
    # After /tmp, below which a toolchain may live.
    for shown, place in read_only.items():
        command += ["--ro-bind", str(place), str(shown)]
    command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", DIRECTORY]
    for key, value in {**ENVIRONMENT, "PATH": search_path, **step.env}.items():
        command += ["--setenv", key, value]
    for option, descriptor in descriptors.items():
        command += [f"--{option}", str(descriptor)]
    return [*command, "--", INIT, "-c", INIT_SCRIPT, "init", *rlimits(step), *step.argv]


def rlimits(step: Step) -> Sequence[str]:
    """util-linux's prlimit, run inside: there the process count is that of the sandbox's own user
    namespace."""
    return ["prlimit", f"--nproc={step.limits.processes + PROCESS_SLACK}", *prlimit_options(step), "--"]


def prlimit_options(step: Step) -> list[str]:
    """Bounds that the kernel keeps for each process. None on address space: Java and others reserve far more
    than they use."""
    limits = step.limits
    size = (limits.disk_mib + 1) << 20
    return [f"--nofile={OPEN_FILES}", f"--fsize={size}", f"--cpu={int(limits.cpu_s) + 2}", "--core=0"]
