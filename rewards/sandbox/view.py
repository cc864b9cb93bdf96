"""The part of the host that a sandbox shows, all of it read-only: system directories, a few files of /etc,
and toolchains kept elsewhere."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

TOOLS = (
    "rustc",
    "node",
    "java",
    "lua",
    "Rscript",
    "ocaml",
    "gfortran",
    "julia",
    "go",
    "ghc",
    "php",
    "ruby",
    "tclsh",
    "perl",
)
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
TOP_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC = (
    "alternatives",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "perl",
    "python3*",
    "java-*",
    "R",
    "lua*",
    "julia",
)
"""Patterns below /etc; never accounts, keys, host names or configuration of services."""
PASSWD = b"root:x:0:0::/:/usr/sbin/nologin\nsandbox:x:1000:1000::/tmp:/bin/sh\n"
GROUP = b"root:x:0:\nsandbox:x:1000:\n"
HOSTS = b"127.0.0.1 localhost\n::1 localhost\n"


def toolchains() -> list[Path]:
    """Directories outside /usr in which compilers and interpreters of this host's PATH live, such as
    rustup's."""
    found = []
    for tool in TOOLS:
        place = shutil.which(tool)
        if place is None:
            continue
        binary = Path(place).resolve()
        if binary.name == "rustup":
            prefix = _rust_sysroot(place)
        else:
            prefix = binary.parent.parent if binary.parent.name == "bin" else binary.parent
        if prefix is not None and _is_own_directory(prefix):
            found.append(prefix)
    return found


def _rust_sysroot(rustc: str) -> Path | None:
    done = subprocess.run(
        [rustc, "--print", "sysroot"], capture_output=True, text=True, timeout=30, check=False
    )
    return Path(done.stdout.strip()) if done.returncode == 0 and done.stdout.strip() else None


def _is_own_directory(prefix: Path) -> bool:
    """Not shown anyway, and not so wide that it would show a home directory or the whole machine."""
    return (
        not prefix.is_relative_to("/usr")
        and len(prefix.parts) > 2
        and prefix not in (Path.home(), *Path.home().parents)
    )


def search_path(extra: Iterable[Path]) -> str:
    """PATH inside the sandbox."""
    bins = [str(path / "bin") for path in extra if (path / "bin").is_dir()]
    return os.pathsep.join([*bins, SYSTEM_PATH])


def system_arguments() -> list[str]:
    """bubblewrap's arguments for /usr, its links and /etc."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in TOP_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    for pattern in ETC:
        for path in sorted(Path("/etc").glob(pattern)):
            arguments += ["--ro-bind", str(path), str(path)]
    return arguments
