"""The curriculum against the stream. Parts are built as for the run, so a wrong argument fails before any
actor starts."""

import logging
from collections.abc import Iterator

from rl.config.checks.curriculum_rules import doubts, refusals
from rl.config.tree import ConfigTree

logger = logging.getLogger(__name__)


def curriculum_problems(config: ConfigTree) -> Iterator[str]:
    """Unknown parts, wrong arguments, conflicts, and budgets that the allocator's floor and cap cannot
    meet."""
    # Plug-ins may be anybody's code: imported when a config is checked, not when the schema is imported.
    from curricula import DEFAULTS, SLOTS, build_part
    from curricula.conflicts.rules import check

    parts = {}
    for slot in SLOTS:
        part = getattr(config.curriculum, slot)
        name, args = (part.name, part.args) if part is not None else (DEFAULTS.get(slot), {})
        if name is None:
            continue
        try:
            parts[slot] = build_part(slot, name, args)
        except ValueError as error:
            yield str(error)
            return
    try:
        warnings = check(parts)
    except ValueError as error:
        warnings = []
        yield str(error)
    yield from refusals(config, parts)
    for doubt in (*(f"curriculum: {warning}" for warning in warnings), *doubts(config, parts)):
        logger.warning("%s", doubt)
    yield from _budget(
        config, floor=getattr(parts["allocator"], "floor", 1), cap=getattr(parts["allocator"], "cap", None)
    )


def _budget(config: ConfigTree, *, floor: int, cap: int | None) -> Iterator[str]:
    """The rollouts of a step lie between prompts x floor and prompts x cap."""
    per_prompt = config.stream.rollouts_per_prompt
    budget = config.stream.prompts_per_step * per_prompt
    if per_prompt < floor:
        yield (
            f"stream.rollouts_per_prompt: the budget of {budget} rollouts a step is below"
            f" stream.prompts_per_step={config.stream.prompts_per_step} x the allocator's floor of {floor};"
            f" raise it to at least {floor}, or lower curriculum.allocator.args.floor"
        )
    if cap is not None and per_prompt > cap:
        yield (
            f"stream.rollouts_per_prompt: {per_prompt} is more than the allocator's cap of {cap} rollouts for"
            " a prompt; lower it, or raise curriculum.allocator.args.cap"
        )
