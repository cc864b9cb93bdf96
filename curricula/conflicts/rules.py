"""Which curriculum parts cannot, or should not, go together (docs/methods/conflicts.md#conflict-rules)."""

from collections.abc import Mapping

from curricula.base import Curriculum, overrides
from curricula.conflicts import filters as conflicts_filters
from curricula.conflicts import sampling as conflicts_sampling

EXCLUSIVE = {
    "draw": "sampler",
    "allocate": "allocator",
    "category_logits": "sampler over categories",
    "prompt_logits": "sampler over prompts",
    "token_advantages": "source of token advantages",
}
"""Hook -> what it makes of a part; a stack holds at most one of each."""
REQUIRED = ("draw", "allocate")


def check(parts: Mapping[str, Curriculum]) -> list[str]:
    """Warnings for doubtful combinations.

    Raises:
        ValueError: for impossible ones.
    """
    for hook, role in EXCLUSIVE.items():
        slots = [slot for slot, part in parts.items() if overrides(part, hook)]
        if len(slots) > 1:
            raise ValueError(
                f"curriculum has more than one {role} (slots {', '.join(slots)}): keep one of them"
            )
        if not slots and hook in REQUIRED:
            raise ValueError(
                f"curriculum has no {role}: set curriculum.{role} or leave it out for the uniform one"
            )
    return [
        text
        for rules in (conflicts_filters, conflicts_sampling)
        for rule in rules.WARNINGS
        for text in rule(parts)
    ]
