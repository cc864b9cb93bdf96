"""Runs every check on a part."""

from collections.abc import Callable

from curricula.base import Curriculum
from curricula.contract.checks import ALL
from curricula.contract.world import mixed_pool
from curricula.simulation.rows import SimulatedPool
from rollout.contract import Finding, run_checks


def run_contract(make: Callable[[], Curriculum], *, pool: SimulatedPool | None = None) -> list[Finding]:
    """Every check, in order, each on fresh parts.

    Args:
        make: gives a fresh part each time it is called.
        pool: a world for parts that need certain categories or metadata; a small mixed one unless told.
    """
    return run_checks(ALL, make, pool or mixed_pool())
