"""One code reward for all tests of this folder; programs run in real bubblewrap."""

from collections.abc import Callable
from typing import Any

import pytest

from rewards.code.reward import CodeReward
from rollout.types import Prompt, RewardResult

Judge = Callable[..., RewardResult]
Rewards = Callable[..., CodeReward]


@pytest.fixture(scope="session")
def rewards() -> Rewards:
    """Code rewards by their arguments, with short limits."""
    made: dict[str, CodeReward] = {}

    def reward(**args: Any) -> CodeReward:
        key = repr(sorted(args.items()))
        if key not in made:
            try:
                made[key] = CodeReward(limits={"wall_s": 5, "cpu_s": 5}, **args)
            except ValueError as error:
                if "sandbox" not in str(error):
                    raise
                pytest.skip(str(error))
        return made[key]

    return reward


@pytest.fixture(scope="session")
def judge(rewards: Rewards) -> Judge:
    """Verdict on a completion for a row."""

    def run(completion: str, row: dict[str, Any], *, truncated: bool = False, **args: Any) -> RewardResult:
        prompt = Prompt(id="p", text="", token_ids=(), answer="", metadata=row)
        return rewards(**args)(prompt, completion, truncated=truncated)

    return run
