"""Doubtful combinations around samplers and allocators.

These are rules 6, 8, 10, 12 and 13 of docs/methods/conflicts.md#conflict-rules.

Rules 1 and 2, two samplers on a level and two allocators, are ``EXCLUSIVE`` in ``curricula.conflicts.rules``.
Rule 5, observing only the groups that a filter kept, cannot be broken: the stack passes every part all groups
of a plan.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import product

from curricula.base import Curriculum, overrides
from curricula.traits import Trait

Parts = Mapping[str, Curriculum]


def _pairs(
    parts: Parts, one: Callable[[Curriculum], bool], other: Callable[[Curriculum], bool]
) -> Iterator[tuple[str, str]]:
    """Slots (a, b), a != b, of parts with the two properties."""
    ones, others = ([slot for slot, part in parts.items() if has(part)] for has in (one, other))
    return ((a, b) for a, b in product(ones, others) if a != b)


def magnitude_by_size(parts: Parts) -> Iterator[str]:
    """Rule 6."""
    for reader, allocator in _pairs(
        parts,
        lambda p: Trait.SIZE_DEPENDENT_MAGNITUDE in p.traits,
        lambda p: Trait.UNEQUAL_GROUPS in p.traits,
    ):
        yield (
            f"{reader} compares groups by an advantage that depends on their size, and {allocator} makes them"
            " unequal (one success is .75 in a group of 4, .36 in one of 28): set"
            f" curriculum.{reader}.args.reward=centred"
        )


def stale_under_moving_length(parts: Parts) -> Iterator[str]:
    """Rule 8."""
    stale = (
        lambda p: Trait.UNDISCOUNTED_PASS_RATE in p.traits or Trait.SKIPS_UNSOLVED in p.traits,
        lambda p: overrides(p, "length_budget"),
    )
    for reader, length in _pairs(parts, *stale):
        part = parts[reader]
        fix = (
            f": set curriculum.{reader}.args.pass_rate=beta or decayed" if hasattr(part, "pass_rate") else ""
        )
        yield f"{reader} goes by visits made under other length budgets, and {length} moves the budget{fix}"


def opposed_on_unsolved(parts: Parts) -> Iterator[str]:
    """Rule 10."""
    for favours, skips in _pairs(
        parts, lambda p: Trait.FAVOURS_UNSOLVED in p.traits, lambda p: Trait.SKIPS_UNSOLVED in p.traits
    ):
        yield (
            f"{favours} favours prompts without any success, which {skips} passes over: what one sends there"
            " the other takes back"
        )
    both = [slot for slot, part in parts.items() if Trait.FAVOURS_UNSOLVED in part.traits]
    if len(both) > 1:
        yield (
            f"{' and '.join(both)} both favour prompts without any success, impossible ones included: cap"
            " their share (unsolved_cap of prioritized), or set allow_fallback=false for knapsack"
        )


def credit_at_budgets(parts: Parts) -> Iterator[str]:
    """Rule 12."""
    for credit, buyer in _pairs(
        parts, lambda p: overrides(p, "token_advantages"), lambda p: Trait.BUYS_RARE_OUTCOMES in p.traits
    ):
        yield at_budgets(credit, buyer)


def at_budgets(credit: str, buyer: str) -> str:
    """Return what rule 12 says, for credit by a part or by the objective."""
    return (
        f"{credit} gives credit at several thinking budgets, where a group that is all correct at the full"
        f" one can still teach at the smaller ones, and {buyer} counts that group as worth nothing: use equal"
        " groups, or mind that its effective ratios speak of the full budget only"
    )


def subset_of_whole(parts: Parts) -> Iterator[str]:
    """Rule 13."""
    for subset, reader in _pairs(
        parts, lambda p: Trait.TRAINS_SUBSET in p.traits, lambda p: Trait.VALUES_WHOLE_GROUPS in p.traits
    ):
        yield (
            f"{subset} trains on some rollouts of a group, and {reader} values groups as if all were trained"
            " on: pass rates stay right (they count all rollouts), the values are too high for large groups"
        )


def walk_unheard(parts: Parts) -> Iterator[str]:
    """A walk through a category has no say where prompts have weights of their own."""
    for walker, weigher in _pairs(
        parts, lambda p: Trait.WALKS_CATEGORIES in p.traits, lambda p: overrides(p, "prompt_logits")
    ):
        yield (
            f"{walker} walks through each category's list, but {weigher} weighs prompts, which decides: set"
            " args.within=fresh"
        )


WARNINGS = (
    walk_unheard,
    magnitude_by_size,
    stale_under_moving_length,
    opposed_on_unsolved,
    credit_at_budgets,
    subset_of_whole,
)
"""The rules that ``curricula.conflicts.rules`` asks."""
