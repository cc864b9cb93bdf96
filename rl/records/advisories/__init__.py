"""Advisories: what a run says when its own figures show that something is going wrong, with the likely
cause, what to do, and the setting that does it. docs/advice.md has the table.

A rule looks at the metric rows so far, at the evaluations and at the clock. A new one is a function and an
entry in ``RULES`` of its module; one of your own is a function of rows, named in ``run.advisories``. They
only advise: what must stop a run (non-finite steps, a failed probe, a broken staleness bound) stops it
elsewhere.
"""

from collections.abc import Sequence

from rl.records.advisories import objective, system, truth
from rl.records.advisories.advisor import QUIET_STEPS, Advisor
from rl.records.advisories.base import (
    EARLY,
    HEALTHY,
    WINDOW,
    Advice,
    HeldOut,
    History,
    OwnRule,
    Row,
    Rule,
    Said,
    Seen,
    Stall,
)
from rollout.user_code import resolve_function

RULES: dict[str, Rule] = {**truth.RULES, **system.RULES, **objective.RULES}

__all__ = [
    "EARLY",
    "HEALTHY",
    "QUIET_STEPS",
    "RULES",
    "WINDOW",
    "Advice",
    "Advisor",
    "HeldOut",
    "History",
    "OwnRule",
    "Row",
    "Rule",
    "Said",
    "Seen",
    "Stall",
    "resolve_advisories",
]


def resolve_advisories(names: Sequence[str]) -> dict[str, OwnRule]:
    """The rules that ``run.advisories`` names, outside code (``pkg.module:attr``), by the names of their
    functions.

    Raises:
        ValueError: one is not there, or two have one name.
    """
    found: dict[str, OwnRule] = {}
    for name in names:
        short = name.rpartition(":")[2]
        if short in RULES or short in found:
            raise ValueError(
                f"run.advisories: there is another rule of the name {short!r}; rename that of {name}"
            )
        found[short] = resolve_function("run.advisories", name, {})
    return found
