"""Devices by name, and what a calibration puts in place of their nominal figures.

See docs/methods/cost.md#bytes-and-seconds.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("devices.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The figures of a device that the roofline needs."""

    name: str
    peak: float
    """FLOP/s."""
    bandwidth: float
    """Bytes/s."""
    bytes_per_weight: float
    """In its usual number format; a quantised model has fewer."""
    usd_per_hour: float
    source: str
    compute_share: float = 0.5
    """Share of the peak that is reached (MFU)."""
    bandwidth_share: float = 0.7
    """Share of the bandwidth that is reached."""
    launch_s: float = 0.0
    """Fixed time of one decode step."""

    @property
    def intensity(self) -> float:
        """FLOPs for each byte of memory traffic at which compute and memory take equally long."""
        return self.peak / self.bandwidth

    @property
    def critical_batch(self) -> float:
        """Sequences above which decoding is bound by compute: peak x bytes / (2 x bandwidth)."""
        return self.peak * self.bytes_per_weight / (2 * self.bandwidth)

    def calibrated(self, *, flops: float, launch_s: float, name: str) -> "Device":
        """The same with the FLOP/s that were measured, so that forecasts do not rest on nominal figures."""
        return replace(
            self,
            name=name,
            peak=flops,
            compute_share=1.0,
            launch_s=launch_s,
            source=f"measured; bandwidth and price of {self.name}",
        )


def devices(file: Path = FILE) -> dict[str, Device]:
    """Every device of a YAML file, the shipped one unless told."""
    content: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    made = {}
    for name, facts in content.items():
        figures: dict[str, Any] = {
            key: value if key == "source" else float(value) for key, value in facts.items()
        }
        made[name] = Device(name=name, **figures)
    return made


def device(name: str, file: Path = FILE) -> Device:
    """One by name.

    Raises:
        ValueError: not in the file.
    """
    known = devices(file)
    if name not in known:
        raise ValueError(
            f"device {name!r} is unknown; use one of {', '.join(sorted(known))}, or add it to a YAML file of"
            " your own"
        )
    return known[name]
