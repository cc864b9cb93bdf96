"""Mixture of experts: a prompt's category routes it to the reward that knows its kind."""

from collections.abc import Mapping
from typing import Any

from rewards import build_reward, timeout_of_parts
from rewards.golds import gold_texts
from rewards.user_functions.returned import ask
from rollout.types import Prompt, Reward, RewardResult


class ExpertsReward:
    """The reward of the prompt's category.

    Args:
        experts: category -> {reward, args}; one reward's name alone stands for {reward: name}.
        default: The same, for all other categories; None makes them an error, said before a run starts.

    Raises:
        ValueError: No experts, one that cannot be built, or some that judge and some that look at form only.
    """

    def __init__(self, *, experts: Mapping[str, Any] | None = None, default: Any = None) -> None:
        if experts is None and default is None:
            default = "exact"
        made = {
            category: named_reward(f"experts.{category}", head) for category, head in (experts or {}).items()
        }
        fallback = None if default is None else named_reward("experts.default", default)
        self._experts = {category: head for category, (_, head) in made.items()}
        self._default = None if fallback is None else fallback[1]
        kinds = {bool(getattr(head, "form_only", False)) for head in self.heads}
        if len(kinds) > 1:
            raise ValueError(
                "experts: some judge answers and some form only; a category's pass rate would mean nothing"
            )
        self.form_only = kinds == {True}
        self.pure = all(getattr(head, "pure", True) for head in self.heads)
        self.on_timeout = timeout_of_parts([*made.values(), *([fallback] if fallback is not None else [])])

    @property
    def heads(self) -> tuple[Reward, ...]:
        """All experts, the default last."""
        return (*self._experts.values(), *([self._default] if self._default is not None else []))

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if no expert knows the prompt's category, or its expert misses something."""
        head = self._route(prompt)
        if hasattr(head, "check"):
            head.check(prompt)

    def _route(self, prompt: Prompt) -> Reward:
        head = self._experts.get(prompt.category, self._default)
        if head is None:
            raise ValueError(
                f"prompt {prompt.id}: no expert for category {prompt.category!r}; experts know"
                f" {sorted(self._experts)}. Add one, or a default"
            )
        return head

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text by its category's expert."""
        return ask(self._route(prompt), prompt, text, truncated=truncated)

    def gold_texts(self, prompt: Prompt) -> list[str]:
        """Those of the category's expert."""
        return gold_texts(self._route(prompt), prompt, finished=False)


def named_reward(place: str, head: Any) -> tuple[str, Reward]:
    """The reward that ``{reward, args}`` or a name alone stands for, behind the name that it was built from.

    Raises:
        ValueError: With ``place`` in front: other fields, or a reward that cannot be built.
    """
    fields: dict[str, Any] = {"reward": head} if isinstance(head, str) else dict(head)
    unknown = fields.keys() - {"reward", "args"}
    if unknown or "reward" not in fields:
        raise ValueError(
            f"{place}: give reward and args, not {sorted(fields)}; a weight belongs to the component"
        )
    try:
        name = str(fields["reward"])
        return name, build_reward(name, fields.get("args"))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1 with the default expert, ``exact``."""
    return Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4", category="sums"), "4"
