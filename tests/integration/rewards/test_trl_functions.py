"""TRL's own reward functions, taken as they are, in verifier processes."""

import asyncio

import pytest

from rewards import build_reward
from rewards.components.format import FormatReward
from rewards.processes.pool import VerifierPool
from rollout.types import Prompt

PROMPT = Prompt(id="p", text="?", token_ids=(), answer="4")
TEXTS = [
    "<think>so</think>4",
    "<think>so</think>",
    "<think>so</think> <think>no</think> 4",
    "so</think>4",
    "<think>so 4",
    "4 <think>so</think>",
    "<think></think>4",
]


def test_think_format_agrees_with_ours() -> None:
    async def scenario() -> list[float]:
        pool = VerifierPool("trl.rewards:think_format_reward", {"conversational": True})
        await pool.start()
        try:
            return [result.value for result in await pool.score(PROMPT, TEXTS, [False] * len(TEXTS))]
        finally:
            await pool.close()

    ours = FormatReward(tags=["think"], rest="allowed", filled=False)
    assert asyncio.run(scenario()) == [ours(PROMPT, text, truncated=False).value for text in TEXTS]


def test_functions_that_need_token_ids_are_refused() -> None:
    args = {"max_completion_len": 10, "soft_punish_cache": 2}
    with pytest.raises(ValueError, match="needs completion_ids; verifiers see text"):
        build_reward("trl.rewards:get_soft_overlong_punishment", args)
