"""The finding of one check of the machine."""

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The finding of one check."""

    name: str
    status: Status
    """``warn``: works, or works in part. ``fail``: runs will not work."""
    found: str
    remedy: str = ""
    """Advice for the user; '' if there is nothing to do."""

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return asdict(self)
