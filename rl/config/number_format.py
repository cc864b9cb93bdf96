"""``dtype: auto``: bfloat16 where the device multiplies it in hardware, float32 elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rl.config.schema import Config

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


def slow_formats(config: "Config") -> list[str]:
    """A note where a CPU is to compute in bfloat16 without an instruction for it."""
    rollout, learner = config.rollout, config.learner
    formats = [("rollout", rollout.dtype, rollout.device), ("learner", learner.dtype, learner.device)]
    slow = [
        f"{name}.dtype={dtype}"
        for name, dtype, device in formats
        if dtype in ("bfloat16", "autocast") and not bfloat16_is_fast(device)
    ]
    if not slow:
        return []
    return [
        f"{' and '.join(slow)}: this CPU has no instruction for bfloat16 (t2rl doctor) and takes many times"
        " as long as in float32; set it to auto"
    ]


def choose_dtype(section: Any, *, fast: str) -> Any:
    """A section's fields as given, with ``dtype: auto`` decided: ``fast``, or float32.

    The config that a run keeps names the format, so that another machine goes on in the same one or says why
    not.
    """
    if not isinstance(section, dict) or section.get("dtype") != "auto":
        return section
    chosen = fast if bfloat16_is_fast(section.get("device", "cpu")) else "float32"
    return section | {"dtype": chosen}
