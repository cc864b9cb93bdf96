"""Check what the CUDA build needs of the machine beside the GPU itself: a driver that is new enough, a
compiler, Python's headers."""

import re
import shutil
import subprocess
import sysconfig
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rl.commands.doctor.check import Check

OLDEST_DRIVER = {12: 525, 13: 580}
"""CUDA major version -> the first NVIDIA driver branch that runs it (CUDA's release notes, table of minimum
drivers)."""


def cuda_checks() -> list[Check]:
    """For a CUDA build of torch; empty beside the CPU build."""
    build = cuda_of(_torch_version())
    return [] if build is None else [driver(build, driver_version()), triton_compiler()]


def _torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "+cpu"


def cuda_of(torch_version: str, wheels: frozenset[str] | None = None) -> int | None:
    """CUDA major version of a torch wheel: from ``2.13.0+cu130``, or, where the index drops that, from the
    NVIDIA packages beside it (``nvidia-cublas`` is 13, ``nvidia-cublas-cu12`` is 12). None for a CPU
    build."""
    tagged = re.search(r"\+cu(\d+)\d$", torch_version)
    if tagged:
        return int(tagged.group(1))
    if "+" in torch_version:
        return None
    present = installed_wheels() if wheels is None else wheels
    numbered = [int(m.group(1)) for name in present if (m := re.fullmatch(r"nvidia-cublas-cu(\d+)", name))]
    return max(numbered) if numbered else (13 if "nvidia-cublas" in present else None)


def installed_wheels() -> frozenset[str]:
    """Return those of NVIDIA's cuBLAS packages that are installed."""
    found = set()
    for name in ("nvidia-cublas", "nvidia-cublas-cu12", "nvidia-cublas-cu13"):
        try:
            version(name)
        except PackageNotFoundError:
            continue
        found.add(name)
    return frozenset(found)


def driver_version(proc: Path = Path("/proc/driver/nvidia/version")) -> str | None:
    """``580.65.06`` from the kernel module, or from nvidia-smi where containers hide that; None without a
    driver."""
    if proc.is_file() and (found := parse_driver(proc.read_text(encoding="utf-8"))):
        return found
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    try:
        answer = subprocess.run([tool], capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return None
    return parse_driver(answer.stdout)


def parse_driver(text: str) -> str | None:
    """Driver version in the output of nvidia-smi, its ``--query-gpu=driver_version``, or
    ``/proc/driver/nvidia/version``."""
    found = re.search(
        r"(?:Driver Version:\s*|Kernel Module(?: for \S+)?\s+|^\s*)(\d{3}\.\d+(?:\.\d+)?)", text, re.MULTILINE
    )
    return found.group(1) if found else None


def driver(build: int, found: str | None) -> Check:
    """Is the driver ``found`` new enough for wheels of CUDA ``build``?"""
    oldest = OLDEST_DRIVER.get(build, max(OLDEST_DRIVER.values()))
    if found is None:
        remedy = f"install NVIDIA's driver {oldest} or newer (containers: start them with --gpus all)"
        return Check(name="nvidia driver", status="fail", found="none", remedy=remedy)
    said = f"{found}, wheels for CUDA {build}"
    if int(found.split(".")[0]) < oldest:
        remedy = (
            f"these wheels need driver {oldest} or newer: update the driver, or install wheels of an older"
            " CUDA"
        )
        return Check(name="nvidia driver", status="fail", found=said, remedy=remedy)
    return Check(name="nvidia driver", status="ok", found=said)


def triton_compiler(
    compilers: tuple[str, ...] = ("gcc", "cc", "clang"), include: Path | None = None
) -> Check:
    """Triton, which vLLM's kernels on CUDA use, builds a small C file against Python's headers when a process
    first needs it."""
    tool = next((name for name in compilers if shutil.which(name)), None)
    headers = (include or Path(sysconfig.get_path("include"))) / "Python.h"
    missing = [what for what, there in (("C compiler", tool), ("Python.h", headers.is_file())) if not there]
    if missing:
        remedy = (
            "vLLM cannot start on a GPU without them: apt install gcc python3-dev (of this Python's version)"
        )
        return Check(name="compiler", status="fail", found=f"no {' and no '.join(missing)}", remedy=remedy)
    assert tool is not None
    trouble = _try(tool, headers.parent)
    if trouble:
        return Check(
            name="compiler",
            status="fail",
            found=f"{tool}: {trouble}",
            remedy="Triton must be able to build a C file",
        )
    return Check(name="compiler", status="ok", found=f"{tool}, {headers}")


def _try(tool: str, include: Path) -> str:
    """'' if a file that includes Python.h compiles to a shared object, else the compiler's first
    complaint."""
    with tempfile.TemporaryDirectory(prefix="t2rl-doctor-") as scratch:
        source = Path(scratch) / "probe.c"
        source.write_text("#include <Python.h>\nint probe(void) { return 0; }\n", encoding="utf-8")
        command = [
            tool,
            "-shared",
            "-fPIC",
            f"-I{include}",
            str(source),
            "-o",
            str(source.with_suffix(".so")),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return (
        ""
        if done.returncode == 0
        else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
    )
