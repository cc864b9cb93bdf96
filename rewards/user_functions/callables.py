"""Reward functions as TRL takes them, ``fn(completions, **columns) -> list[float]``, behind the reward
protocol."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rewards.user_functions.returned import CORRECT_AT, as_result, awaited
from rewards.verdicts import wrong
from rollout.types import Prompt, RewardResult


def is_trl_callable(candidate: Any) -> bool:
    """True for what has a parameter named ``completions`` (or ``completion_ids``), as no reward of our
    protocol has."""
    if not callable(candidate) or inspect.isclass(candidate):
        return False
    return not {"completions", "completion_ids"}.isdisjoint(_parameters(candidate))


def _parameters(candidate: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(candidate).parameters
    except (TypeError, ValueError):  # some C callables have no signature
        return {}


NOT_ON_TEXT = (TypeError, AttributeError, KeyError, IndexError)
"""Exceptions that a function which reads chats raises when it is given text."""


class BadReturn(TypeError):
    """The function returned something that no rule accepts, on text as on chats."""


class CallableReward:
    """One completion at a time: the function gets lists of one.

    Its columns are ``prompts``, ``completions``, ``answer``, ``solution`` (the reference answer again, as
    TRL's own rewards call it), ``category``, ``difficulty``, ``id``, and every key of the prompt's metadata.
    A function that takes no ``**kwargs`` gets those that it names. ``None`` means not applicable. Token ids
    (``completion_ids``) do not exist here, and neither do the other completions of a batch: a function that
    compares them is refused (``probe``).

    Args:
        function: ``fn(completions, **columns) -> list[float | None]``; it may be a coroutine function.
        columns: Column name -> name of ours, for a function that calls the answer something else (``{target:
            answer}``).
        conversational: Completions and prompts are chats, ``[{"role": ..., "content": text}]``, instead of
            plain strings. None = found out at the first completion: chats, if the function raises on text and
            does not on chats.
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
        conversational: bool | None = None,
        correct_at: float = CORRECT_AT,
        **constants: Any,
    ) -> None:
        self._function, self._columns, self._constants = function, dict(columns or {}), constants
        self._conversational, self._correct_at = conversational, correct_at
        parameters = _parameters(function)
        self._takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        self._named = {
            n for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }
        self._required = {
            n for n in self._named if parameters[n].default is inspect.Parameter.empty
        } - constants.keys()
        unknown = constants.keys() - self._named
        if unknown and not self._takes_all:
            raise ValueError(
                f"reward_args: the function takes no {sorted(unknown)}; it takes {sorted(self._named)}"
            )
        if "completion_ids" in self._required:
            raise ValueError(
                "the function needs completion_ids; verifiers see text, so rewards on tokens are curriculum"
                " parts"
            )

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if the function needs a column that the prompt does not have."""
        given = self._arguments(prompt, [""], chats=False)
        missing = sorted(self._required - given.keys())
        if missing:
            raise ValueError(
                f"prompt {prompt.id}: the function needs the column {missing[0]!r}; there are"
                f" {sorted(given)}. Put it into the metadata, or map it: reward_args={{columns:"
                f" {{{missing[0]}: answer}}}}"
            )

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text; blank ones are wrong without asking."""
        if not text.strip():
            return wrong("empty")
        return as_result(self._values(prompt, [text])[0], truncated=truncated, correct_at=self._correct_at)

    def probe(self, prompt: Prompt, texts: Sequence[str]) -> None:
        """Raise ``ValueError`` if what a completion is worth depends on the others in the list, which a
        verifier never has."""
        alone = [self._values(prompt, [text])[0] for text in texts]
        again = [self._values(prompt, [text])[0] for text in texts]
        together = list(self._values(prompt, texts))
        if _listed(alone) == _listed(again) != _listed(together):
            raise ValueError(
                f"the function's values depend on the other completions of the list ({_listed(together)}"
                f" together, {_listed(alone)} each alone), but verifiers judge each alone"
            )

    def _values(self, prompt: Prompt, texts: Sequence[str]) -> Any:
        """One value for each text. The first call finds out whether the function wants chats."""
        if self._conversational is not None:
            return self._call(prompt, texts, chats=self._conversational)
        try:
            values = self._call(prompt, texts, chats=False)
            self._conversational = False
        except BadReturn:
            raise
        except NOT_ON_TEXT as error:
            try:
                values = self._call(prompt, texts, chats=True)
            except NOT_ON_TEXT:
                raise error from None
            self._conversational = True
        return values

    def _call(self, prompt: Prompt, texts: Sequence[str], *, chats: bool) -> Any:
        values = awaited(self._function(**self._arguments(prompt, texts, chats=chats)))
        if (
            not hasattr(values, "__len__")
            or isinstance(values, str | Mapping)
            or getattr(values, "ndim", 1) == 0
        ):
            raise BadReturn(
                f"the function returned {type(values).__name__} ({values!r:.40}) for a list of completions;"
                " return a list with one value for each"
            )
        if len(values) != len(texts):
            raise ValueError(
                f"the function returned {len(values)} values for {_counted(len(texts))}; return one for each"
            )
        return values

    def _arguments(self, prompt: Prompt, texts: Sequence[str], *, chats: bool) -> dict[str, Any]:
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
        columns: dict[str, Any] = {name: [value] * len(texts) for name, value in facts.items()}
        columns |= {"prompts": [prompt.text] * len(texts), "completions": list(texts)}
        if chats:
            for name, role in (("prompts", "user"), ("completions", "assistant")):
                columns[name] = [[{"role": role, "content": content}] for content in columns[name]]
        if not self._takes_all:
            columns = {name: value for name, value in columns.items() if name in self._named}
        return {**columns, **self._constants}


def _listed(values: Sequence[Any]) -> list[str]:
    """To compare and to show; values may be tensors, or NaN."""
    return [f"{value.item() if hasattr(value, 'item') else value}" for value in values]


def _counted(number: int) -> str:
    return "one completion" if number == 1 else f"{number} completions"
