"""Hardware and system: processor, memory, shared memory, GPUs, compiler."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from rl.commands.doctor.check import Check
from rl.commands.doctor.cuda import cuda_checks
from rl.config.number_format import bfloat16_is_fast, cpu_flags

GIB = 1 << 30


def machine_checks() -> list[Check]:
    """Everything that needs no package of the stack."""
    return [cores(), features(), memory(), shared_memory(), gpus(), *(cuda_checks() or [compiler()])]


def cores() -> Check:
    """The quickstart pins its engine to core 0 and its learner to core 1."""
    usable = sorted(os.sched_getaffinity(0))
    found = f"{len(usable)} usable, {os.cpu_count()} in the machine"
    if {0, 1} <= set(usable):
        return Check(name="cores", status="ok", found=found)
    remedy = (
        "the quickstart pins its engine to core 0 and its learner to core 1: add rollout.cores=null"
        " learner.cores=null"
    )
    return Check(name="cores", status="warn", found=found, remedy=remedy)


def features(cpuinfo: Path = Path("/proc/cpuinfo")) -> Check:
    """vLLM's CPU build uses AVX2 at least on x86; AVX-512 is faster."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return Check(name="cpu features", status="ok", found=platform.machine())
    flags = cpu_flags(cpuinfo)
    present = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]
    found = ", ".join(present) or "no AVX2"
    if "avx2" not in flags:
        return Check(
            name="cpu features",
            status="fail",
            found=found,
            remedy="vLLM on CPU needs AVX2: use another machine",
        )
    if "avx512f" not in flags:
        return Check(
            name="cpu features",
            status="warn",
            found=found,
            remedy="works; without AVX-512 the CPU engine is slower, and bfloat16 far slower than float32",
        )
    if bfloat16_is_fast("cpu", cpuinfo=cpuinfo):
        found += ": for models of 100M parameters and more, rollout.dtype=auto learner.dtype=auto"
    return Check(name="cpu features", status="ok", found=found)


def memory_limit(cgroup: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Bytes this process may use: the machine's, or its container's."""
    total = psutil.virtual_memory().total
    text = cgroup.read_text(encoding="utf-8").strip() if cgroup.is_file() else "max"
    return min(total, int(text)) if text.isdigit() else int(total)


def memory() -> Check:
    """The quickstart stays under 8 GiB."""
    free = min(memory_limit(), psutil.virtual_memory().available)
    found = f"{free / GIB:.1f} GiB free"
    if free < 4 * GIB:
        return Check(
            name="memory",
            status="fail",
            found=found,
            remedy="engine, learner and Ray need about 6 GiB",
        )
    if free < 8 * GIB:
        return Check(
            name="memory",
            status="warn",
            found=found,
            remedy="enough for the quickstart if nothing else grows",
        )
    return Check(name="memory", status="ok", found=found)


def shared_memory(path: Path = Path("/dev/shm")) -> Check:
    """Weights and Ray's object store go through it. Containers often get 64 MiB."""
    if not path.is_dir():
        return Check(
            name="shared memory",
            status="fail",
            found=f"no {path}",
            remedy="mount a tmpfs there: weights go through it",
        )
    size = shutil.disk_usage(path).free
    found = f"{size / GIB:.2f} GiB free in {path}"
    remedy = "start the container with --shm-size=4g (Kubernetes: an emptyDir with medium Memory on /dev/shm)"
    if size < 256 << 20:
        return Check(name="shared memory", status="fail", found=found, remedy=remedy)
    return Check(
        name="shared memory",
        status="warn" if size < 2 * GIB else "ok",
        found=found,
        remedy=remedy if size < 2 * GIB else "",
    )


def gpus() -> Check:
    """A GPU is no must; one that the installed build cannot use is worth a word."""
    tool = shutil.which("nvidia-smi")
    lines = _query(tool) if tool else []
    if not lines:
        return Check(name="gpus", status="ok", found="none (cluster=local)")
    found = f"{len(lines)}: {lines[0]}"
    if "+cpu" in version("torch"):
        return Check(
            name="gpus",
            status="warn",
            found=found,
            remedy="this is the CPU environment: make setup EXTRA=gpu",
        )
    return Check(name="gpus", status="ok", found=found)


def _query(tool: str) -> list[str]:
    command = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return []
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else []


def compiler() -> Check:
    """For information: nothing compiles on CPU."""
    tools = [name for name in ("c++", "g++", "clang++", "ninja") if shutil.which(name)]
    return Check(name="compiler", status="ok", found=", ".join(tools) if tools else "none (not needed)")
