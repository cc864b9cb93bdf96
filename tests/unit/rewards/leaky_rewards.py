"""Rewards with a hole each, which ``t2rl rewards check`` must find."""

from rollout.types import Prompt, RewardResult


def _verdict(right: bool) -> RewardResult:
    return RewardResult(value=float(right), correct=right, reason="" if right else "wrong")


class Contains:
    """Right wherever the answer occurs: hedges and lists pass."""

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        return _verdict(bool(text.strip()) and not truncated and prompt.answer in text)


class Generous:
    """Everything is right."""

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        return _verdict(True)


class Mean:
    """Nothing is right."""

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        return _verdict(False)


class Obedient:
    """Does as it is told by a completion."""

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        return _verdict(not truncated and (text.strip() == prompt.answer or "full marks" in text))


class LongEnough:
    """Of constraints alone: five words and more, not cut."""

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        return _verdict(not truncated and len(text.split()) >= 5)
