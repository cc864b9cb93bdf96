"""Runs every check on a part."""

from collections.abc import Callable
from dataclasses import dataclass

from curricula.base import Curriculum
from curricula.contract.checks import ALL
from curricula.contract.world import mixed_pool
from curricula.simulation.rows import SimulatedPool

FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""Exceptions of a faulty part, reported as a broken contract; anything else is not the part's and goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The finding of one check."""

    check: str
    passed: bool
    problem: str = ""
    """The problem and its remedy; '' if the check passed."""


def run_contract(make: Callable[[], Curriculum], *, pool: SimulatedPool | None = None) -> list[Finding]:
    """Every check, in order, each on fresh parts.

    Args:
        make: gives a fresh part each time it is called.
        pool: a world for parts that need certain categories or metadata; a small mixed one unless told.
    """
    return [_run(name, make, pool or mixed_pool()) for name in ALL]


def _run(name: str, make: Callable[[], Curriculum], pool: SimulatedPool) -> Finding:
    try:
        ALL[name](make, pool)
    except FAULTS as error:
        return Finding(check=name, passed=False, problem=f"{type(error).__name__}: {error}")
    return Finding(check=name, passed=True)
