"""Rewards for the check of references; light, since every verifier imports them."""

import time

from rollout.types import Prompt, RewardResult


class Numbers:
    """A reward that takes numbers only, and dies, hangs or fails on demand."""

    def gold_texts(self, prompt: Prompt) -> list[str]:
        return [prompt.answer, prompt.answer.strip("!")]

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        if prompt.answer == "fail":
            raise RuntimeError("no mood")
        if prompt.answer == "hang":
            time.sleep(60)
        right = text.isdigit()
        return RewardResult(value=float(right), correct=right, reason="" if right else "no number")


class Silent:
    """A reward that says nothing of its golds."""

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        return RewardResult(value=0.0, correct=False, reason="never")
