"""Reward functions as TRL takes them, ``fn(completions, **columns) -> list[float]``, behind the reward protocol."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rewards.components.verdicts import NOT_APPLICABLE, graded, wrong
from rollout.types import Prompt, RewardResult


def is_trl_callable(candidate: Any) -> bool:
    """True for what has a parameter named ``completions`` (or ``completion_ids``), as no reward of our protocol has."""
    if not callable(candidate) or inspect.isclass(candidate):
        return False
    return not {"completions", "completion_ids"}.isdisjoint(_parameters(candidate))


def _parameters(candidate: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(candidate).parameters
    except (TypeError, ValueError):  # some C callables have no signature
        return {}


class CallableReward:
    """One completion at a time: the function gets lists of one.

    Its columns are ``prompts``, ``completions``, ``answer``, ``solution`` (the reference answer again, as TRL's own rewards call
    it), ``category``, ``difficulty``, ``id``, and every key of the prompt's metadata. A function that takes no ``**kwargs`` gets
    those that it names. ``None`` means not applicable. Token ids (``completion_ids``) do not exist here.

    Args:
        function: ``fn(completions, **columns) -> list[float | None]``; it may be a coroutine function.
        columns: Column name -> name of ours, for a function that calls the answer something else (``{target: answer}``).
        conversational: Completions and prompts are chats, ``[{"role": ..., "content": text}]``, instead of plain strings.
        correct_at: Value from which a completion counts as correct.
        constants: All other ``reward_args``, passed to the function as they are.

    Raises:
        ValueError: The function asks for token ids or for another column that cannot exist.
    """

    pure = False
    """TRL promises nothing about its functions: no verdict is remembered."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        columns: Mapping[str, str] | None = None,
        conversational: bool = False,
        correct_at: float = 1.0,
        **constants: Any,
    ) -> None:
        self._function, self._columns, self._constants = function, dict(columns or {}), constants
        self._conversational, self._correct_at = conversational, correct_at
        parameters = _parameters(function)
        self._takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        self._named = {n for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        self._required = {n for n in self._named if parameters[n].default is inspect.Parameter.empty} - constants.keys()
        unknown = constants.keys() - self._named
        if unknown and not self._takes_all:
            raise ValueError(f"reward_args: the function takes no {sorted(unknown)}; it takes {sorted(self._named)}")
        if "completion_ids" in self._required:
            raise ValueError("the function needs completion_ids; verifiers see text, so rewards on tokens are curriculum parts")

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if the function needs a column that the prompt does not have."""
        given = self._arguments(prompt, "")
        missing = sorted(self._required - given.keys())
        if missing:
            raise ValueError(
                f"prompt {prompt.id}: the function needs the column {missing[0]!r}; there are {sorted(given)}. Put it into the "
                f"metadata, or map it: reward_args={{columns: {{{missing[0]}: answer}}}}"
            )

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text; blank ones are wrong without asking."""
        if not text.strip():
            return wrong("empty")
        values = self._function(**self._arguments(prompt, text))
        if inspect.iscoroutine(values):
            values = asyncio.run(values)
        if len(values) != 1:
            raise ValueError(f"the function returned {len(values)} values for one completion")
        if values[0] is None:
            return RewardResult.unjudged(NOT_APPLICABLE)
        return graded(float(values[0]), "truncated" if truncated else "wrong", full=self._correct_at)

    def _arguments(self, prompt: Prompt, text: str) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "answer": prompt.answer,
            "solution": prompt.answer,
            "category": prompt.category,
            "difficulty": prompt.difficulty,
            "id": prompt.id,
            **prompt.metadata,
        }
        for column, ours in self._columns.items():
            if ours in facts:
                facts[column] = facts[ours]
        pair: dict[str, Any] = {"prompts": prompt.text, "completions": text}
        roles = {"prompts": "user", "completions": "assistant"}
        if self._conversational:
            pair = {name: [{"role": roles[name], "content": content}] for name, content in pair.items()}
        columns = {name: [value] for name, value in {**facts, **pair}.items()}
        if not self._takes_all:
            columns = {name: value for name, value in columns.items() if name in self._named}
        return {**columns, **self._constants}
