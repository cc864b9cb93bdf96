"""Turn what a reward returned into a result: the one place that says what is accepted, and what is refused by
name."""

import asyncio
import inspect
import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from rewards.verdicts import NOT_APPLICABLE, NOT_FINITE, graded
from rollout.types import Prompt, Reward, RewardResult

CORRECT_AT = 1.0
"""Value from which a reward that returns numbers counts as correct, unless it says otherwise
(``correct_at``)."""


def ask(reward: Reward, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
    """One verdict of a reward of the protocol; what it returns may be any of ``as_result``'s, or a coroutine
    of it."""
    given = awaited(reward(prompt, text, truncated=truncated))
    return as_result(given, truncated=truncated, correct_at=float(getattr(reward, "correct_at", CORRECT_AT)))


def awaited(given: Any) -> Any:
    """Return what a coroutine function comes to."""
    return asyncio.run(given) if inspect.iscoroutine(given) else given


def as_result(given: Any, *, truncated: bool, correct_at: float = CORRECT_AT) -> RewardResult:
    """A verdict from what a reward may return.

    =======================  =================================================================================
    returned                 means
    =======================  =================================================================================
    ``RewardResult``         itself
    number                   its value; correct from ``correct_at`` on (also a number of numpy, and an
                             array or tensor of one)
    ``True``, ``False``      1 and correct, 0 and wrong
    ``{"score": number}``    as the number; numbers beside it are components, ``acc`` decides what is correct
    ``None``                 not applicable: the sample is not judged
    NaN, infinity            not judged
    =======================  =================================================================================

    Raises:
        TypeError: Anything else.
    """
    if isinstance(given, RewardResult):
        return given if not given.judged or math.isfinite(given.value) else NOT_FINITE
    if given is None:
        return NOT_APPLICABLE
    if isinstance(given, Mapping) and "score" in given:
        return _of_mapping(given, truncated=truncated, correct_at=correct_at)
    number = plain_number(given)
    if isinstance(number, bool):
        return graded(float(number), _reason(truncated))
    if not math.isfinite(number):
        return NOT_FINITE
    return graded(number, _reason(truncated), full=correct_at)


def plain_number(given: Any) -> bool | float:
    """A bool or a float from whatever kind of number it is.

    Raises:
        TypeError: It is none.
    """
    if hasattr(given, "item") and getattr(given, "size", None) is not None and _size(given) == 1:
        given = given.item()
    if isinstance(given, bool):
        return given
    if isinstance(given, Real):
        return float(given)
    raise TypeError(
        f"the reward returned {type(given).__name__} ({given!r:.40}); return a RewardResult, or a number for"
        " each completion"
    )


def _size(given: Any) -> int:
    """Numbers in an array (``size``) or a tensor (``numel()``)."""
    return int(given.numel() if hasattr(given, "numel") else given.size)


def _of_mapping(given: Mapping[str, Any], *, truncated: bool, correct_at: float) -> RewardResult:
    result = as_result(given["score"], truncated=truncated, correct_at=correct_at)
    if not result.judged:
        return result
    beside = {
        str(name): float(part) for name, part in given.items() if name != "score" and isinstance(part, Real)
    }
    right = bool(given["acc"]) if isinstance(given.get("acc"), Real) else result.correct
    reason = "" if right else _reason(truncated)
    return RewardResult(value=result.value, correct=right, components=beside, reason=reason)


def _reason(truncated: bool) -> str:
    return "truncated" if truncated else "wrong"
