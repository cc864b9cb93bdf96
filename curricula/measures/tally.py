"""The choices of one plan, by category: the row that runs keep for every step, and that simulations print."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rollout.types import RolloutStat

COLUMNS = ("groups", "rollouts", "correct", "mixed", "kept", "tokens")
"""Columns of a category: groups (= prompts) chosen, their rollouts, how many of them were right, groups with
both outcomes, groups that train, completion tokens."""


def tally(stats: Sequence[RolloutStat]) -> dict[str, Any]:
    """JSON-able counts of all finished groups of a plan, kept and dropped: ``{categories, group_sizes,
    dropped}``.

    O(groups) to make; its size grows with the number of categories and of different group sizes only.
    ``categories`` is name -> counts in the order of ``COLUMNS``, ``group_sizes`` size -> groups, ``dropped``
    reason -> groups.
    """
    categories: dict[str, list[int]] = {}
    for stat in stats:
        row = categories.setdefault(stat.category, [0] * len(COLUMNS))
        mixed = 0 < stat.num_correct < stat.num_rollouts
        for place, value in enumerate(
            (1, stat.num_rollouts, stat.num_correct, mixed, stat.kept, stat.num_tokens)
        ):
            row[place] += int(value)
    sizes = Counter(stat.num_rollouts for stat in stats)
    reasons = Counter(stat.reason for stat in stats if not stat.kept)
    return {
        "categories": {name: categories[name] for name in sorted(categories)},
        "group_sizes": {str(size): sizes[size] for size in sorted(sizes)},
        "dropped": {reason: reasons[reason] for reason in sorted(reasons)},
    }
