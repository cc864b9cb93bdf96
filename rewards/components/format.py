"""Tag structure: ``<think>...</think><answer>...</answer>`` and the like."""

import re
from collections.abc import Sequence
from typing import Literal

from rewards.thinking import opened_by
from rewards.verdicts import graded, right, wrong
from rollout.types import Prompt, RewardResult

THINK = "think"
Rest = Literal["none", "allowed", "required"]


class FormatReward:
    """1 if the text is exactly the named blocks, once each, in order; all else is 0, or a share of 1 in soft
    mode.

    Soft: the mean over ``len(tags) + 1`` checks, one for each tag (exactly one filled block of it) and one
    for the whole. So soft is 1 exactly where strict is.

    Args:
        tags: Names of the blocks, in order; ``think`` stands for the policy's own thinking tags, whatever
            they are.
        mode: ``strict`` or ``soft``.
        rest: Text after the last block: ``none``, ``allowed``, or ``required`` (``tags: [think], rest:
            required`` is a thinking model that answers in plain text).
        filled: Blocks must hold more than white space.

    Raises:
        ValueError: No tags, the same tag twice, or an unknown mode.
    """

    def __init__(
        self,
        *,
        tags: Sequence[str] = ("think", "answer"),
        mode: Literal["strict", "soft"] = "strict",
        rest: Rest = "none",
        filled: bool = True,
    ) -> None:
        if not tags or len(set(tags)) < len(tags):
            raise ValueError(f"tags: {list(tags)} must name at least one block, each once")
        if mode not in ("strict", "soft") or rest not in ("none", "allowed", "required"):
            raise ValueError(
                f"mode: {mode!r} must be strict or soft, rest: {rest!r} must be none, allowed or required"
            )
        self._tags, self._soft, self._rest, self._filled = tuple(tags), mode == "soft", rest, filled

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text; one that was cut off cannot be known to have ended well."""
        if not text.strip():
            return wrong("empty")
        text = with_opening(prompt, text, self._tags)
        blocks = [self._block(text, *marks(prompt, tag)) for tag in self._tags]
        whole = not truncated and self._is_whole(text, blocks)
        if not self._soft:
            return right() if whole else wrong("truncated" if truncated else "format")
        return graded((sum(block is not None for block in blocks) + whole) / (len(self._tags) + 1), "format")

    def _block(self, text: str, opening: str, closing: str) -> tuple[int, int] | None:
        """Where the only block of these marks begins and ends."""
        if text.count(opening) != 1 or text.count(closing) != 1:
            return None
        start, end = text.index(opening), text.index(closing)
        inside = text[start + len(opening) : end]
        if end < start or (self._filled and not inside.strip()):
            return None
        return start, end + len(closing)

    def _is_whole(self, text: str, blocks: Sequence[tuple[int, int] | None]) -> bool:
        position = 0
        for block in blocks:
            if block is None or text[position : block[0]].strip() or block[0] < position:
                return False
            position = block[1]
        rest = bool(re.search(r"\S", text[position:]))
        return self._rest == "allowed" or rest is (self._rest == "required")


def marks(prompt: Prompt, tag: str) -> tuple[str, str]:
    """Return the tags that open and close the block of this name in this policy's words."""
    return prompt.thinking_tags if tag == THINK else (f"<{tag}>", f"</{tag}>")


def with_opening(prompt: Prompt, text: str, tags: Sequence[str]) -> str:
    """The text with the mark that the prompt has opened for it: the one that it ends in, or that of a
    thinking it has begun."""
    for tag in tags:
        opening, _ = marks(prompt, tag)
        if prompt.text.rstrip().endswith(opening) or (tag == THINK and opened_by(prompt)):
            return opening + text
    return text


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    return (
        Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4"),
        "<think>two and two</think>\n<answer>4</answer>",
    )
