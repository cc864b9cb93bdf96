"""Check each hook's answers: shapes, types and ranges."""

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from curricula.base import Allocation, Ctx, FilterDecision
from rollout.contract import require


def check_answer(hook: str, ctx: Ctx, args: tuple[Any, ...], answer: Any) -> None:
    """Raise ContractBroken if ``hook(ctx, *args)`` must not give ``answer``."""
    if answer is None and hook not in ("shape", "filter_group", "draw", "allocate"):
        return
    CHECKS[hook](ctx, args, answer)


def array(name: str, answer: Any, length: int, kinds: str) -> np.ndarray:
    """``answer`` as an array [length] of one of numpy's ``kinds``."""
    require(
        isinstance(answer, np.ndarray),
        f"{name} gave {type(answer).__name__}; it must be a numpy array [{length}]",
    )
    require(answer.shape == (length,), f"{name} gave shape {answer.shape}; it must be ({length},)")
    require(
        answer.dtype.kind in kinds,
        f"{name} gave dtype {answer.dtype}; it must be one of kind {'/'.join(kinds)}",
    )
    return np.asarray(answer)


def _category_logits(ctx: Ctx, args: tuple[Any, ...], answer: Any) -> None:
    _logits("category_logits", answer, len(ctx.pool.category_names))


def _prompt_logits(ctx: Ctx, args: tuple[Any, ...], answer: Any) -> None:
    _logits("prompt_logits", answer, len(args[0]))


def _logits(name: str, answer: Any, length: int) -> None:
    values = array(name, answer, length, "f")
    require(
        not np.isnan(values).any(), f"{name} gave NaN: give unseen prompts or categories a value of their own"
    )
    require(not np.isposinf(values).any(), f"{name} gave +inf, which leaves no chance to anything else")


def _skip(ctx: Ctx, args: tuple[Any, ...], answer: Any) -> None:
    array("skip", answer, len(args[0]), "b")


def _draw(ctx: Ctx, args: tuple[Any, ...], answer: Any) -> None:
    cursor, wanted = args
    require(isinstance(answer, tuple) and len(answer) == 2, "draw must give (indices, cursor)")
    indices = array("draw", answer[0], wanted, "iu")
    require(bool(((indices >= 0) & (indices < len(ctx.pool))).all()), "draw gave an index outside the pool")
    require(
        answer[1] > cursor,
        f"draw left the cursor at {answer[1]} (it was {cursor}): the next plan would be the same again",
    )


def _allocate(ctx: Ctx, args: tuple[Any, ...], answer: Any) -> None:
    require(
        isinstance(answer, Allocation),
        f"allocate gave {type(answer).__name__}; it must give a curricula.base.Allocation",
    )
    counts = array("allocate: num_rollouts", answer.num_rollouts, len(args[0]), "iu")
    require(
        int(counts.sum()) == ctx.rollout_budget,
        f"allocate spent {counts.sum()} rollouts of a budget of {ctx.rollout_budget}",
    )
    require(int(counts.min()) >= 1, "allocate left a prompt without rollouts: skip it instead")
    check_figures("allocate: metrics", answer.metrics)


def _length_budget(ctx: Ctx, args: tuple[Any, ...], answer: Any) -> None:
    values = array("length_budget", answer, len(args[0]), "iu")
    require(bool((values >= 1).all()), "length_budget gave a budget below one token")


def _shape(ctx: Ctx, args: tuple[Any, ...], answer: Any) -> None:
    require(
        isinstance(answer, Mapping),
        f"shape gave {type(answer).__name__}; it must give a mapping of name to [G] components",
    )
    for name, values in answer.items():
        component = array(f"shape: {name}", values, len(args[0].rollouts), "f")
        require(bool(np.isfinite(component).all()), f"shape: {name} is not finite")


def _filter_group(ctx: Ctx, args: tuple[Any, ...], answer: Any) -> None:
    require(
        isinstance(answer, FilterDecision),
        f"filter_group gave {type(answer).__name__}; it must give a curricula.base.FilterDecision",
    )
    require(answer.action == "train" or bool(answer.reason), "filter_group dropped a group without a reason")
    if answer.indices is not None:
        size, places = len(args[0].rollouts), list(answer.indices)
        require(
            len(set(places)) == len(places) > 0, "filter_group: indices must be different, and at least one"
        )
        require(
            all(0 <= place < size for place in places), f"filter_group: indices {places} of a group of {size}"
        )


def _token_advantages(ctx: Ctx, args: tuple[Any, ...], answer: Any) -> None:
    require(
        isinstance(answer, list) and len(answer) == len(args[0]),
        "token_advantages must give a list, one entry a group",
    )


def check_figures(name: str, figures: Any) -> None:
    """Metrics are finite numbers by name."""
    require(
        isinstance(figures, Mapping),
        f"{name} gave {type(figures).__name__}; it must give a mapping of name to number",
    )
    for key, value in figures.items():
        require(
            isinstance(key, str) and not key.startswith("curriculum/"),
            f"{name}: key {key!r} must be text without 'curriculum/'",
        )
        number = isinstance(value, Real) and not isinstance(value, bool)
        require(
            number and bool(np.isfinite(float(value))),
            f"{name}: {key} is {value!r}; it must be a finite number",
        )


CHECKS: dict[str, Callable[[Ctx, tuple[Any, ...], Any], None]] = {
    "draw": _draw,
    "category_logits": _category_logits,
    "prompt_logits": _prompt_logits,
    "skip": _skip,
    "allocate": _allocate,
    "length_budget": _length_budget,
    "shape": _shape,
    "filter_group": _filter_group,
    "token_advantages": _token_advantages,
}
"""Hook -> its check."""
