"""How components say right and wrong."""

from collections.abc import Mapping

from rollout.types import Failure, RewardResult

NOT_APPLICABLE = RewardResult.unjudged("not applicable", Failure.NOT_APPLICABLE)
"""A component that has nothing to say of a prompt; a rubric leaves it out then."""
NOT_FINITE = RewardResult.unjudged("error: non-finite value", Failure.NOT_FINITE)
"""The value is NaN or infinity."""


def right(components: Mapping[str, float] | None = None) -> RewardResult:
    """Full marks."""
    return RewardResult(value=1.0, correct=True, components=components or {})


def wrong(reason: str, value: float = 0.0, components: Mapping[str, float] | None = None) -> RewardResult:
    """Not right, with the reason; ``value`` is partial credit."""
    return RewardResult(value=value, correct=False, components=components or {}, reason=reason)


def graded(value: float, reason: str, *, full: float = 1.0) -> RewardResult:
    """Right from ``full`` on, else wrong with ``value`` as partial credit."""
    return RewardResult(value=value, correct=True) if value >= full else wrong(reason, value)


def form(penalty: float, reason: str) -> RewardResult:
    """Return the price of a form, at most 0; never a verdict on the answer."""
    return RewardResult(value=penalty, correct=False, reason=reason if penalty < 0 else "")
