"""``dtype: auto``: bfloat16 where the device multiplies it in hardware, float32 elsewhere."""

from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")
FAST = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of x86 and of Arm. Without one a product in bfloat16 takes many times as long as in float32."""


def cpu_flags(cpuinfo: Path | None = None) -> frozenset[str]:
    """Words of the kernel's description of the CPU; none where there is no such file."""
    cpuinfo = cpuinfo or CPUINFO
    return frozenset(cpuinfo.read_text(encoding="utf-8").split()) if cpuinfo.is_file() else frozenset()


def bfloat16_is_fast(device: str, *, cpuinfo: Path | None = None) -> bool:
    """True on GPUs, and on CPUs with an instruction for it."""
    return device == "cuda" or bool(FAST & cpu_flags(cpuinfo))


def choose_dtype(section: Any, *, fast: str) -> Any:
    """A section's fields as given, with ``dtype: auto`` decided: ``fast``, or float32.

    The config that a run keeps names the format, so that another machine goes on in the same one or says why
    not.
    """
    if not isinstance(section, dict) or section.get("dtype") != "auto":
        return section
    chosen = fast if bfloat16_is_fast(section.get("device", "cpu")) else "float32"
    return section | {"dtype": chosen}
