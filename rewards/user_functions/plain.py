"""Plain functions as rewards, known by their parameters: ``fn(prompt, text)``, and verl's
``compute_score``."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

from rewards.user_functions.callables import CallableReward, is_trl_callable
from rewards.user_functions.returned import as_result, awaited
from rollout.types import Prompt, Reward, RewardResult

TEXTS = frozenset({"text", "completion", "response"})
"""Names that a plain function may give to what it judges."""
VERL = frozenset({"solution_str", "ground_truth"})
Form = Literal["trl", "verl", "plain", "reward", "factory"]


def form_of(candidate: Any) -> Form:
    """Tell by its parameters what form of reward a callable is.

    ``trl``: it has ``completions``. ``verl``: ``solution_str`` and ``ground_truth``. ``reward``: ``prompt``,
    a text and ``truncated``, that is our protocol. ``plain``: a text by one of its names. ``factory``: a
    class, or anything else.
    """
    if inspect.isclass(candidate):
        return "factory"
    if is_trl_callable(candidate):
        return "trl"
    names = set(parameters(candidate))
    if names >= VERL:
        return "verl"
    if {"prompt", "text", "truncated"} <= names and not inspect.isfunction(candidate):
        return "reward"
    return "plain" if names & TEXTS else "factory"


def as_reward(candidate: Any, form: Form, args: Mapping[str, Any]) -> Reward:
    """A callable of that form behind the reward protocol.

    Raises:
        ValueError: It needs what a reward does not get, or is given arguments that it does not take.
    """
    if form == "trl":
        return CallableReward(candidate, **args)
    return FunctionReward(candidate, verl=form == "verl", **args)


def parameters(candidate: Any) -> Mapping[str, inspect.Parameter]:
    """By name; none of what has no signature, as some C callables."""
    try:
        return inspect.signature(candidate).parameters
    except (TypeError, ValueError):
        return {}


class FunctionReward:
    """A function that judges one completion at a time. It gets those of these that it names, by name:

    ``prompt`` (a :class:`~rollout.types.Prompt`; its text, where the parameter is annotated ``str``),
    ``text`` (or ``completion``, ``response``), ``answer``, ``metadata``, ``truncated``, ``category``, ``id``;
    a verl function ``solution_str``, ``ground_truth``, ``data_source`` and ``extra_info``. It returns what
    ``rewards.user_functions.returned.as_result`` takes, and may be a coroutine function.

    Args:
        function: It.
        verl: Its parameters are verl's.
        correct_at: Value from which a completion counts as correct, where a number is returned.
        constants: All other ``reward_args``, passed to the function as they are.

    Raises:
        ValueError: The function has a parameter that nothing fills, or a constant is none of its parameters.
    """

    pure = False
    """Nothing is promised of a plain function: no verdict is remembered."""

    def __init__(
        self, function: Callable[..., Any], *, verl: bool = False, correct_at: float = 1.0, **constants: Any
    ) -> None:
        self._function, self._verl, self._correct_at, self._constants = function, verl, correct_at, constants
        taken = parameters(function)
        named = {name: p for name, p in taken.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        takes_all = any(p.kind is p.VAR_KEYWORD for p in taken.values())
        self._wants_text = "prompt" in named and named["prompt"].annotation in (str, "str")
        self._named = set(named) - constants.keys()
        known = set(self._facts(Prompt(id="", text="", token_ids=(), answer=""), "", truncated=False))
        unfilled = sorted(
            name for name in self._named - known if named[name].default is inspect.Parameter.empty
        )
        if unfilled:
            raise ValueError(
                f"the function has a parameter {unfilled[0]!r} that nothing fills; there are {sorted(known)}"
            )
        if (unknown := sorted(constants.keys() - named.keys())) and not takes_all:
            raise ValueError(f"reward_args: the function takes no {unknown}; it takes {sorted(named)}")

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        facts = self._facts(prompt, text, truncated=truncated)
        given = {name: value for name, value in facts.items() if name in self._named}
        return as_result(
            awaited(self._function(**given, **self._constants)),
            truncated=truncated,
            correct_at=self._correct_at,
        )

    def _facts(self, prompt: Prompt, text: str, *, truncated: bool) -> dict[str, Any]:
        if self._verl:
            return {
                "solution_str": text,
                "ground_truth": prompt.answer,
                "data_source": prompt.metadata.get("data_source", prompt.category),
                "extra_info": prompt.metadata.get("extra_info", dict(prompt.metadata)),
            }
        return {
            "prompt": prompt.text if self._wants_text else prompt,
            **dict.fromkeys(TEXTS, text),
            "answer": prompt.answer,
            "metadata": dict(prompt.metadata),
            "truncated": truncated,
            "category": prompt.category,
            "id": prompt.id,
        }
