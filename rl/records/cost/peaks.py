"""Peak arithmetic of devices, for the share of it that a run reaches (MFU).

Dense, without sparsity, accumulated in float32; ``float32`` is without TensorFloat-32.

See docs/methods/cost.md#what-a-step-costs.
"""

import re

BF16 = ("bfloat16", "float16")

PEAKS: dict[str, tuple[float, float]] = {
    # Words of the name that torch.cuda.get_device_name gives -> FLOP/s of (bfloat16 and float16, float32).
    # The first that fit count, so longer ones stand before shorter ones.
    # NVIDIA H100 and H200 Tensor Core GPU data sheets; half of the figures "with sparsity".
    "H100 NVL": (835e12, 60e12),
    "H100 PCIe": (756e12, 51e12),
    "H100": (989e12, 67e12),
    "H200 NVL": (835e12, 60e12),
    "H200": (989e12, 67e12),
    "GH200": (989e12, 67e12),
    # NVIDIA A100, A30, A40, A10 data sheets.
    "A100": (312e12, 19.5e12),
    "A30": (165e12, 10.3e12),
    "A40": (149.7e12, 37.4e12),
    "A10G": (70e12, 35e12),
    "A10": (125e12, 31.2e12),
    # NVIDIA L4, L40S, L40 data sheets; half of the figures "with sparsity" where only those are given.
    "L40S": (362e12, 91.6e12),
    "L40": (181e12, 90.5e12),
    "L4": (121e12, 30.3e12),
    # NVIDIA Ada and Ampere GPU architecture white papers (GeForce: half rate with float32 accumulation).
    "RTX 4090": (165.2e12, 82.6e12),
    "RTX 3090": (71e12, 35.6e12),
    "RTX 6000 Ada": (364e12, 91.1e12),
    "RTX A6000": (154.8e12, 38.7e12),
    # AMD Instinct MI300X data sheet.
    "MI300X": (1307e12, 163.4e12),
}


def peak_of(device: str, dtype: str) -> float | None:
    """FLOP/s of a device in a number format; None where nobody has written it down, as of every CPU.

    Args:
        device: as ``torch.cuda.get_device_name`` says it.
        dtype: ``bfloat16``, ``float16`` or ``float32``.
    """
    found = next((peaks for part, peaks in PEAKS.items() if _has_word(device, part)), None)
    if found is None or dtype not in (*BF16, "float32"):
        return None
    return found[0] if dtype in BF16 else found[1]


def _has_word(device: str, part: str) -> bool:
    """An RTX A4000 is no A40."""
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", device, re.IGNORECASE) is not None
