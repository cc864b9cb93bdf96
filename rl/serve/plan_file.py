"""The plan of ``t2rl plan queries --json``, looked up request by request."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, NonNegativeInt, ValidationError

from planner.strategies import STRATEGIES
from planner.types import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The plan's part for a request."""

    strategy: str
    k: int
    """At least 1: a request that the plan gives nothing still has to be answered."""
    category: str | None
    source: str
    """``id``, ``category`` or ``plan``: what was found."""


class _Row(BaseModel):
    id: str
    category: str | None = None
    strategy: str
    k: NonNegativeInt


class _File(BaseModel):
    mode: Mode
    queries: list[_Row]


class ServingPlan:
    """Rows of a plan by id; for other requests the rows of their category together; for the rest all rows
    together.

    Together: the mean k, rounded, so that about the same tokens are spent on the category; the strategy that
    most rows have.
    """

    def __init__(self, mode: Mode, rows: Sequence[_Row]) -> None:
        self.mode = mode
        self._by_id = {row.id: _together([row], row.category, "id") for row in rows}
        names = sorted({row.category for row in rows if row.category is not None})
        self._by_category = {
            name: _together([row for row in rows if row.category == name], name, "category") for name in names
        }
        self._rest = _together(rows, None, "plan")

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, *, id: str | None, category: str | None) -> Entry:
        """The row of ``id``, else of ``category``, else of the plan as a whole."""
        if id is not None and id in self._by_id:
            return self._by_id[id]
        if category is not None and category in self._by_category:
            return self._by_category[category]
        return self._rest


def read_plan(path: Path) -> ServingPlan:
    """Read and check a plan.

    Raises:
        ValueError: no such file, not a plan, no queries, or a strategy that there is not; with the field.
    """
    if not path.is_file():
        raise ValueError(
            f"--plan {path}: no such file; write one by t2rl plan queries COUNTS --budget-tokens N --json >"
            f" {path}"
        )
    try:
        plan = _File.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "file"
        raise ValueError(
            f"--plan {path}: {field}: {first['msg']}; t2rl plan queries --json writes plans"
        ) from error
    if not plan.queries:
        raise ValueError(f"--plan {path}: queries is empty; a plan has at least one")
    unknown = {row.strategy for row in plan.queries} - STRATEGIES.keys()
    if unknown:
        raise ValueError(
            f"--plan {path}: queries: no strategy {sorted(unknown)[0]!r}; there are {', '.join(STRATEGIES)}"
        )
    return ServingPlan(plan.mode, plan.queries)


def _together(rows: Sequence[_Row], category: str | None, source: str) -> Entry:
    mean = sum(row.k for row in rows) / len(rows)
    strategy = Counter(row.strategy for row in rows).most_common(1)[0][0]
    return Entry(strategy=strategy, k=max(1, round(mean)), category=category, source=source)
