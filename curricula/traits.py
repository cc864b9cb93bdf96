"""Traits: a curriculum part says of itself what the rules about parts that go together ask.

See docs/methods/conflicts.md#conflict-rules."""

from enum import StrEnum
from typing import Any


class Trait(StrEnum):
    """One property of a part that a conflict rule asks for.

    A part names its traits in ``Curriculum.traits``; text of the same spelling does as well::

        traits = frozenset({"drops_all_wrong"})
    """

    DROPS_MIXED_GROUPS = "drops_mixed_groups"
    """Its filter may drop groups with both outcomes (rule 3)."""
    DROPS_ALL_WRONG = "drops_all_wrong"
    """Its filter drops groups without success (rules 9 and 16)."""
    JUDGES_REWARD = "judges_reward"
    """Its filter reads reward values instead of raw correctness (rule 7)."""
    TRAINS_SUBSET = "trains_subset"
    """Its filter trains on some rollouts of a group only (rule 13)."""
    SKIPS_UNSOLVED = "skips_unsolved"
    """It passes over prompts where no attempt has succeeded (rules 8 and 10)."""
    FAVOURS_UNSOLVED = "favours_unsolved"
    """It sends prompts or rollouts where no attempt has succeeded (rule 10)."""
    BUYS_RARE_OUTCOMES = "buys_rare_outcomes"
    """Its allocation buys large groups where an outcome is rare (rules 3 and 12)."""
    UNEQUAL_GROUPS = "unequal_groups"
    """Its allocation gives prompts groups of different sizes (rules 6 and 14)."""
    VALUES_WHOLE_GROUPS = "values_whole_groups"
    """It values a group as if all its rollouts were trained on (rule 13)."""
    SIZE_DEPENDENT_MAGNITUDE = "size_dependent_magnitude"
    """It compares groups by an advantage magnitude that depends on their size (rule 6)."""
    UNDISCOUNTED_PASS_RATE = "undiscounted_pass_rate"
    """It reads pass rates of old visits as they are, without ``num_comparable`` to say how old (rule 8)."""
    WALKS_CATEGORIES = "walks_categories"
    """Prompts of a category come in the order of a shuffled list, each once in an epoch, instead of drawn
    afresh every time."""
    SETS_LENGTH_TARGET = "sets_length_target"
    """It sets a length that completions are to have (rule 11)."""
    SHAPES_LENGTH = "shapes_length"
    """It adds a reward for length (rules 7 and 11)."""
    PUNISHES_OVERLONG = "punishes_overlong"
    """It punishes completions near their limit, as ``algorithm.shaping`` may."""


RENAMED_HOOKS = {"verdict": "filter_group"}
"""Old name of a hook -> the present one."""
RENAMED_FLAGS = {"size_dependent_signal": Trait.SIZE_DEPENDENT_MAGNITUDE}
"""Old name of a flag -> the trait; the other flags had the names of the traits."""


def check_traits(part: Any) -> None:
    """Refuse what a part says of itself in words that nothing reads.

    Raises:
        ValueError: A trait does not exist, or the part has a trait as a flag or a hook by an old name.
    """
    unknown = sorted(set(part.traits) - set(Trait))
    if unknown:
        raise ValueError(f"traits holds {unknown[0]!r}; there are {', '.join(Trait)}")
    for flag, trait in {**{trait.value: trait for trait in Trait}, **RENAMED_FLAGS}.items():
        if hasattr(type(part), flag):
            raise ValueError(
                f"{type(part).__name__}.{flag} is not read: name it in the part's traits, as in traits ="
                f" frozenset({{{trait.value!r}}})"
            )
    for old, new in RENAMED_HOOKS.items():
        if hasattr(type(part), old):
            raise ValueError(
                f"{type(part).__name__}.{old} is not called: the hook's name is {new}, and it gives a"
                " curricula.base.FilterDecision"
            )
