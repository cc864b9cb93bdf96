"""Curriculum parts against the rest of a run: refusals and doubts.

These are rules 4, 8, 9, 11, 12, 14, 15 and 16 of docs/methods/conflicts.md#conflict-rules.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rl.config.checks.algorithm import compares_within_groups

if TYPE_CHECKING:
    from curricula.base import Curriculum
    from rl.config.tree import ConfigTree

    Parts = Mapping[str, Curriculum]

FRESH_ENOUGH = 1
"""Plans ahead up to which a group mixes two policy versions at most."""


def refusals(config: "ConfigTree", parts: "Parts") -> Iterator[str]:
    """Return the combinations that cannot work."""
    from curricula.traits import Trait

    algorithm = config.algorithm
    for slot, part in parts.items():
        field = f"curriculum.{slot}"
        if algorithm.demonstrations is not None and Trait.DROPS_ALL_WRONG in part.traits:
            yield (
                f"algorithm.demonstrations: {field}={_name(config, slot)} drops the groups without success"
                f" that demonstrations are for; leave {field} out"
            )
        if algorithm.advantage.name == "brpo" and Trait.SETS_LENGTH_TARGET in part.traits:
            yield (
                f"{field}: {_name(config, slot)} moves completions to one length, algorithm.advantage=brpo"
                " credits them at several thinking budgets; take one of the two"
                " (algorithm.advantage.budgets.prior says which budgets matter)"
            )
        if part.signal_columns and config.learner.sequence_parallel > 1:
            yield (
                f"{field}: {_name(config, slot)} asks the learner to read whole prompts, which ranks that"
                " share sequences do not; set learner.packing.sequence_parallel=1, or its args.source to"
                " what it can do without the learner"
            )
        if Trait.PUNISHES_OVERLONG in part.traits and any(
            shaping.name == "overlong" for shaping in algorithm.shaping
        ):
            yield (
                f"{field}: algorithm.shaping punishes overlong completions already; leave one of the two out"
            )


def doubts(config: "ConfigTree", parts: "Parts") -> Iterator[str]:
    """Return the combinations that may mislead."""
    from curricula.base import overrides
    from curricula.conflicts.sampling import at_budgets
    from curricula.traits import Trait

    floor = getattr(parts["allocator"], "floor", None)
    if floor == 1 and config.stream.rollouts_per_prompt > 1 and compares_within_groups(config.algorithm):
        yield (
            "curriculum.allocator.args.floor: prompts that get 1 rollout are measured but teach nothing,"
            f" since algorithm.advantage={config.algorithm.advantage.name} compares the rollouts of a prompt"
            " with each other; 2 is the least that can train"
        )
    stream, refills = config.stream, config.stream.refill_rounds > 0
    filters = (slot for slot, part in parts.items() if overrides(part, "filter_group"))
    judge = next((slot for slot in filters if slot != "downsample"), None)
    uneven = next(
        (
            slot
            for slot, part in parts.items()
            if Trait.UNEQUAL_GROUPS in part.traits or Trait.BUYS_RARE_OUTCOMES in part.traits
        ),
        None,
    )
    if refills and judge and config.run.rollout_token_budget is None:
        yield (
            f"stream.refill_rounds: groups that {judge} drops are replaced, so steps do not cost alike;"
            " compare runs by rollout/total_tokens (or set run.rollout_token_budget), not by steps"
        )
    if refills and judge and uneven:
        yield (
            f"stream.refill_rounds: {uneven} makes groups unequal, and a refill replaces one dropped group by"
            f" one of stream.rollouts_per_prompt={stream.rollouts_per_prompt} on average; batches are full by"
            " groups, not by rollouts"
        )
    adaptive = next((slot for slot, part in parts.items() if _reads_outcomes(part)), None)
    if adaptive and (stream.max_staleness > FRESH_ENOUGH or stream.rollover_share > 0):
        yield (
            f"stream.max_staleness: {adaptive} goes by pass rates, and a group may mix"
            f" {stream.max_staleness + 1} policy versions; it counts from its oldest token's, and only when"
            " finished, so estimates lag by as many steps"
        )
    moving = next((slot for slot, part in parts.items() if overrides(part, "length_budget")), None)
    if adaptive and moving and config.curriculum.budget_discount == 1:
        yield (
            "curriculum.budget_discount: at 1 pass rates seen under other length budgets count in full,"
            f" {moving} moves the budget and {adaptive} goes by pass rates; lower it (0.5 halves them when"
            " the budget halves)"
        )
    if config.algorithm.advantage.name == "brpo" and Trait.BUYS_RARE_OUTCOMES in parts["allocator"].traits:
        yield at_budgets("algorithm.advantage=brpo", "curriculum.allocator")
    judged = any(shaping.name == "handover" for shaping in config.algorithm.shaping)
    if judged and not any(Trait.DROPS_ALL_WRONG in part.traits for part in parts.values()):
        yield (
            "algorithm.shaping: handover's first component is all that differs in groups without both"
            " outcomes, and so all they teach; drop them with curriculum=mixed (trust is 0 there by itself)"
        )


def _reads_outcomes(part: "Curriculum") -> bool:
    from curricula.base import overrides
    from curricula.traits import Trait

    return (
        Trait.UNEQUAL_GROUPS in part.traits
        or Trait.BUYS_RARE_OUTCOMES in part.traits
        or any(overrides(part, h) for h in ("category_logits", "prompt_logits", "skip"))
    )


def _name(config: "ConfigTree", slot: str) -> str:
    part = getattr(config.curriculum, slot)
    return part.name if part is not None else "default"
