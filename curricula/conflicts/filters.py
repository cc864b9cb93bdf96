"""Doubtful combinations around filters and length.

These are rules 3, 7 and the second half of 11 of docs/methods/conflicts.md#conflict-rules.

What filters and length have to do with the rest of a run (rules 4, 9, 11, 14, 15, 16) is in
``rl.config.checks.curriculum_rules``.
"""

from collections.abc import Iterator, Mapping

from curricula.base import Curriculum
from curricula.traits import Trait

Parts = Mapping[str, Curriculum]


def band_after_buyer(parts: Parts) -> Iterator[str]:
    """Rule 3."""
    band = [slot for slot, part in parts.items() if Trait.DROPS_MIXED_GROUPS in part.traits]
    buyer = [slot for slot, part in parts.items() if Trait.BUYS_RARE_OUTCOMES in part.traits]
    if band and buyer:
        yield (
            f"{band[0]} drops groups with a rare success, which {buyer[0]} buys large groups for: use the"
            " mixed filter instead (a prompt of pass rate 1/16 gets dozens of rollouts and a [.2, .8] band"
            " then drops them)"
        )


def filter_on_rewards(parts: Parts) -> Iterator[str]:
    """Rule 7."""
    judge = [slot for slot, part in parts.items() if Trait.JUDGES_REWARD in part.traits]
    length = [slot for slot, part in parts.items() if Trait.SHAPES_LENGTH in part.traits]
    if judge and length:
        yield (
            f"{judge[0]} keeps groups by the spread of their rewards, and {length[0]} pays for length: where"
            " the task's reward does too, a group that is all correct passes for one that teaches; set"
            f" curriculum.{judge[0]}.args.metric=correct"
        )


def length_paid_twice(parts: Parts) -> Iterator[str]:
    """Rule 11, second half."""
    length = [slot for slot, part in parts.items() if Trait.SHAPES_LENGTH in part.traits]
    if len(length) > 1:
        yield (
            f"{' and '.join(length)} both pay for length, which counts it twice: keep one of them, or halve"
            " their weights"
        )


WARNINGS = (band_after_buyer, filter_on_rewards, length_paid_twice)
"""The rules that ``curricula.conflicts.rules`` asks."""
