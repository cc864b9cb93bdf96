"""Whether a process runs."""

from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether ``/proc`` has it, and not as a zombie or on its way out."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False
