"""A part under watch: every hook is asked twice, its answers compared and checked, and the part's state must
not move."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from curricula.base import Ctx, Curriculum
from curricula.contract.answers import CHECKS, check_answer
from rollout.contract import ContractBroken


def watched(part: Curriculum, used: set[str]) -> Curriculum:
    """The same object with its hooks under watch; names of hooks that were asked are added to ``used``."""
    own = {hook for hook in CHECKS if getattr(type(part), hook) is not getattr(Curriculum, hook)}
    hooks = {hook: _twice(hook, getattr(type(part), hook), used) for hook in own}
    # parts may be frozen dataclasses
    object.__setattr__(part, "__class__", type(type(part).__name__, (type(part),), hooks))
    return part


def _twice(hook: str, method: Callable[..., Any], used: set[str]) -> Callable[..., Any]:
    def asked(self: Curriculum, ctx: Ctx, *args: Any) -> Any:
        used.add(hook)
        before = state_text(self)
        first, second = method(self, ctx, *copy.deepcopy(args)), method(self, ctx, *args)
        if state_text(self) != before:
            raise ContractBroken(
                f"{hook} changed the part's state: only observe may, else a resumed run decides otherwise"
            )
        if not same(first, second):
            raise ContractBroken(
                f"{hook} asked twice gave two answers: draw random numbers from ctx.rng(name) only"
            )
        check_answer(hook, ctx, args, first)
        return first

    return asked


def state_text(part: Curriculum) -> str:
    """The part's state as JSON, keys in order.

    Raises:
        ContractBroken: it is not JSON.
    """
    state = part.state_dict()
    try:
        text = json.dumps(state, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ContractBroken(
            f"state_dict is not JSON ({error}): use plain dicts, lists, numbers and text"
        ) from error
    if not same(json.loads(text), state):
        raise ContractBroken(
            "state_dict changes when it is written as JSON and read again: keys must be text, sequences lists"
        )
    return text


def same(a: Any, b: Any) -> bool:
    """Equal, arrays and dataclasses of arrays included; NaN equals NaN."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.dtype == b.dtype and _equal(a, b)
    if is_dataclass(a) and type(a) is type(b):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and type(a) is type(b):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) or (a != a and b != b)


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
