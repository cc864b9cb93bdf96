"""The estimate that every advantage estimator returns."""

from dataclasses import dataclass

from rl.objective.shapes import PerUpdateToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Advantages of an update's tokens, and what the critic should have said."""

    advantages: PerUpdateToken
    """[U]."""
    returns: PerUpdateToken | None = None
    """[U] targets for the critic; None for estimators without one."""
