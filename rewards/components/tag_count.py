"""Tag counts: the softest form reward, one share for each tag that stands there exactly once."""

from collections.abc import Sequence

from rewards.components.format import marks, with_opening
from rewards.verdicts import graded, wrong
from rollout.types import Prompt, RewardResult


class TagCountReward:
    """Share of the opening and closing tags that occur exactly once, in whatever order.

    Example with think and answer: without ``<answer>`` but with ``</answer>`` 3 of 4 tags are there once:
    0.75.

    Args:
        tags: Names of the blocks; ``think`` stands for the policy's own thinking tags.

    Raises:
        ValueError: No tags.
    """

    def __init__(self, *, tags: Sequence[str] = ("think", "answer")) -> None:
        if not tags:
            raise ValueError("tags: name at least one block")
        self._tags = tuple(tags)

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        if not text.strip():
            return wrong("empty")
        text = with_opening(prompt, text, self._tags)
        found = [text.count(mark) == 1 for tag in self._tags for mark in marks(prompt, tag)]
        return graded(sum(found) / len(found), "tags")


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    return (
        Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4"),
        "<think>two and two</think><answer>4</answer>",
    )
