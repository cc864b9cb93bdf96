"""Numbers as people give them: ``12``, ``10:20``, ``10:``, ``>=0.5``."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow.compute as pc

_COMPARED = re.compile(r"(<=|>=|<|>)\s*(\S+)")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Numbers from ``low`` to ``high``, both included unless ``open_low`` or ``open_high`` says otherwise."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    @classmethod
    def parse(cls, text: str, *, option: str) -> "Bounds":
        """Read ``12``, ``10:20`` (both ends included), ``10:``, ``:20``, ``>=0.5``, ``<3``.

        Raises:
            ValueError: it is none of these; names ``option``.
        """
        compared = _COMPARED.fullmatch(text.strip())
        try:
            if compared:
                sign, number = compared[1], float(compared[2])
                if sign.startswith(">"):
                    return cls(low=number, open_low=sign == ">")
                return cls(high=number, open_high=sign == "<")
            low, colon, high = text.strip().partition(":")
            if not colon:
                return cls(low=float(low), high=float(low))
            return cls(low=float(low) if low else -math.inf, high=float(high) if high else math.inf)
        except ValueError as error:
            raise ValueError(
                f"{option} {text}: give a number, a range (10:20), or a comparison in quotes ('>=0.5')"
            ) from error

    def filter(self, column: str) -> "pc.Expression":
        """As a filter of a column; what is null there is out."""
        import pyarrow.compute as pc

        field = pc.field(column)
        above = field > self.low if self.open_low else field >= self.low
        below = field < self.high if self.open_high else field <= self.high
        return above & below

    def steps(self) -> range | None:
        """The whole numbers inside; None for all of them."""
        if self.low == -math.inf and self.high == math.inf:
            return None
        low = (
            0 if self.low == -math.inf else math.floor(self.low) + 1 if self.open_low else math.ceil(self.low)
        )
        if self.high == math.inf:
            return range(low, 1 << 40)
        high = math.ceil(self.high) - 1 if self.open_high else math.floor(self.high)
        return range(low, high + 1)
