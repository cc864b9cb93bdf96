"""Two records of one run, row by row: are they the same numbers? Pure functions on plain JSON values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

Row = Mapping[str, Any]
Record = Mapping[str, Sequence[Row]]
"""Table (a file of the run, or its weights) -> rows."""

LEFT_OUT: dict[str, str] = {
    "time/*": "wall-clock",
    "system/*": "what the machine has left",
    "advisory/*": "some rules read clocks and the machine",
    "*_s": "seconds or a rate per second",
    "reward/cache_hits": "equal texts judged at one time are not each other's hits, so it depends on timing",
}
"""Pattern of a key that is not compared -> what it is. No two runs of one version agree on these."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same; ``None`` stands for a row or a key that is not there."""

    table: str
    row: int
    key: str | None
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.key is None:
            return f"{self.table}: row {self.row} is only {'after' if self.before is None else 'before'}"
        values = f"{_shown(self.before)} before, {_shown(self.after)} after"
        return f"{self.table}: row {self.row}, {self.key}: {values}"


@dataclass(slots=True)
class Comparison:
    """What was compared, and everything that differs, in the order of the rows."""

    rows: int = 0
    keys: int = 0
    """Values compared."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Key that was met and not compared -> why."""
    differences: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """True if no number differs. A comparison of nothing is no evidence, and not equal."""
        return self.keys > 0 and not self.differences

    @property
    def first(self) -> str:
        """The first difference in words; empty where there is none."""
        if self.equal:
            return ""
        return (
            str(self.differences[0]) if self.differences else "nothing was compared: both records are empty"
        )

    @property
    def keys_that_differ(self) -> list[str]:
        """Distinct ``table key``, in the order in which they appear first."""
        return list(dict.fromkeys(f"{d.table} {d.key or '(row)'}" for d in self.differences))


def compare(before: Record, after: Record, *, left_out: Mapping[str, str] = LEFT_OUT) -> Comparison:
    """Compare every table of two records; numbers must be equal, not close.

    Rows are compared by their place. A table, row or key that one record lacks is a difference. 1 and 1.0 are
    equal, and so are two missing numbers (NaN is written as null).
    """
    found = Comparison()
    for table in dict.fromkeys([*before, *after]):
        mine, theirs = before.get(table, ()), after.get(table, ())
        for number in range(max(len(mine), len(theirs))):
            found.rows += 1
            if number >= min(len(mine), len(theirs)):
                rows = [side[number] if number < len(side) else None for side in (mine, theirs)]
                found.differences.append(Difference(table, number, None, *rows))
                continue
            _compare_row(found, table, number, mine[number], theirs[number], left_out)
    return found


def _compare_row(
    found: Comparison, table: str, number: int, before: Row, after: Row, left_out: Mapping[str, str]
) -> None:
    for key in dict.fromkeys([*before, *after]):
        pattern = next((pattern for pattern in left_out if fnmatchcase(key, pattern)), None)
        if pattern is not None:
            found.left_out[key] = left_out[pattern]
            continue
        found.keys += 1
        # A key whose value is null is not the same as a key that is missing.
        if (key in before) != (key in after) or before[key] != after[key]:
            values = (side.get(key, "no such key") for side in (before, after))
            found.differences.append(Difference(table, number, key, *values))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
