"""A reward on trial, before a run starts: in a verifier process, so that code that hangs or dies stops
nothing else."""

from collections.abc import Mapping
from typing import Any

from rewards import build_reward
from rewards.user_functions.returned import ask
from rollout.types import Prompt, RewardResult

OTHER = "I do not know."
"""A second completion, beside the one on trial."""


class Probe:
    """The reward itself, which must judge a completion alike whether it stands alone or in a list.

    Args:
        reward: For ``rewards.build_reward``.
        args: Its keyword arguments.
    """

    pure = False

    def __init__(self, *, reward: str, args: Mapping[str, Any]) -> None:
        self._reward = build_reward(reward, args)

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        probe = getattr(self._reward, "probe", None)
        if probe is not None:
            probe(prompt, [text, f"{OTHER} {text}"])
        return ask(self._reward, prompt, text, truncated=truncated)
