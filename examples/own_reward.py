r"""A reward of your own: correct maths, and a little less the longer it takes to say it.

Name it by file (or import path); it runs in verifier processes, so it may be slow, hang or crash without
stopping the run::

    t2rl train gsm8k task.reward=examples/own_reward.py:BriefMath 'task.reward_args={max_penalty: 0.2}' ...

``value`` is what the policy is trained on and may be shaped as you like; ``correct`` is what pass rates and
curricula read, and must stay the plain truth.
"""

from rewards.maths import MathReward
from rollout.types import Prompt, RewardResult


class BriefMath:
    """The maths reward minus up to ``max_penalty`` for length.

    Args:
        max_penalty: What a right answer of ``max_characters`` or more loses; below 1, so that right always
            beats wrong.
        max_characters: Length at which the penalty is full.
    """

    def __init__(self, *, max_penalty: float = 0.2, max_characters: int = 2000) -> None:
        if not 0 <= max_penalty < 1:
            raise ValueError(
                f"max_penalty is {max_penalty}; it must be in [0, 1), else a right answer could be worth"
                " nothing"
            )
        self._math = MathReward()
        self._max_penalty = max_penalty
        self._max_characters = max_characters

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        judged = self._math(prompt, text, truncated=truncated)
        if not judged.correct:
            return judged
        penalty = self._max_penalty * min(1.0, len(text) / self._max_characters)
        return RewardResult(value=1.0 - penalty, correct=True, components={"math": 1.0, "brevity": -penalty})
