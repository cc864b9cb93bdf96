"""Several tasks in one run: a prompt is judged by the reward of the part that it comes from."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rewards import timeout_of_parts
from rewards.experts import named_reward
from rewards.golds import gold_texts
from rewards.rubric.spec import refuse_schedules
from rewards.user_functions.returned import ask
from rollout.types import Prompt, Reward, RewardResult

SEPARATOR = "/"
"""Between a part and the category inside of it."""


class MixtureReward:
    """The reward of the prompt's part, the start of its category: ``gsm8k`` or ``gsm8k/algebra``.

    The part's reward sees the prompt with its own category (``default`` or ``algebra``), as if it were alone.

    Args:
        parts: part -> {reward, args}; one reward's name alone stands for {reward: name}.

    Raises:
        ValueError: No parts, one whose reward cannot be built, or one that holds a rubric that
            follows schedules; a part that is such a rubric is weighed at the step of its group.
    """

    def __init__(self, *, parts: Mapping[str, Any] | None = None) -> None:
        made = {
            name: named_reward(f"parts.{name}", part)
            for name, part in ({"sums": "exact"} if parts is None else parts).items()
        }
        if not made:
            raise ValueError("mixture: parts is empty; give each part its reward")
        self._parts = {name: reward for name, (_, reward) in made.items()}
        for name, reward in self._parts.items():
            for inner in getattr(reward, "heads", ()):
                refuse_schedules(f"mixture: parts.{name}", inner)
        self.form_only = any(getattr(reward, "form_only", False) for reward in self.heads)
        self.pure = all(getattr(reward, "pure", True) for reward in self.heads)
        self.on_timeout = timeout_of_parts(list(made.values()))

    @property
    def heads(self) -> tuple[Reward, ...]:
        """The rewards of all parts."""
        return tuple(self._parts.values())

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if the prompt is of no part, or its part's reward misses something."""
        reward, inner = self._route(prompt)
        if hasattr(reward, "check"):
            reward.check(inner)

    def _route(self, prompt: Prompt) -> tuple[Reward, Prompt]:
        part, _, category = prompt.category.partition(SEPARATOR)
        if part not in self._parts:
            raise ValueError(
                f"prompt {prompt.id}: category {prompt.category!r} begins with no part of the mixture"
                f" ({', '.join(sorted(self._parts))})"
            )
        return self._parts[part], replace(prompt, category=category or "default")

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text by its part's reward."""
        reward, inner = self._route(prompt)
        return ask(reward, inner, text, truncated=truncated)

    def gold_texts(self, prompt: Prompt) -> list[str]:
        """Those of the part's reward."""
        reward, inner = self._route(prompt)
        return gold_texts(reward, inner, finished=False)


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1 with the default part."""
    return Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4", category="sums"), "4"
