"""Seconds and bytes as people read them."""


def duration(seconds: float) -> str:
    """``3 h 05 min``, ``12 min``, ``40 s``, ``0.4 s``."""
    if seconds < 90:
        return f"{seconds:.1f} s" if 0 < seconds < 2 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def size_text(size: float) -> str:
    """``1.4 GB``, ``312 MB``, ``7 kB``; powers of ten, as disks are sold and df -H says."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            value = size / scale
            return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{size / 1e3:.0f} kB"
