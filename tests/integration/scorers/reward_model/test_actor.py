"""The model on a real Ray actor: scores beside verdicts, deaths and hangs that cost a group its score and
nothing else."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
import ray

from rewards.processes.pool import VerifierPool
from rl.config.reward_model import RewardModelConfig
from rl.scorers.reward_model.actor import create_reward_model_actor
from rl.scorers.reward_model.client import RewardModelClient, RewardModelDead
from rl.scorers.reward_model.host import RewardModelHost
from rl.scorers.reward_model.scorer import verifiers_of, with_reward_model
from rollout.types import Prompt

pytestmark = pytest.mark.usefixtures("ray_runtime")
Make = Callable[..., RewardModelConfig]
PROMPT = Prompt(id="p", text="2+2=", token_ids=(1,), answer="4")


class Moody(RewardModelHost):
    """Hangs, dies or fails when the text says so."""

    def score(self, pairs: Any) -> list[float]:
        text = pairs[0][1]
        if text == "hang":
            time.sleep(60)
        if text == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "fail":
            raise ValueError("no mood for it")
        return super().score(pairs)


def moody(config: RewardModelConfig) -> RewardModelClient:
    return RewardModelClient(config, lambda: ray.remote(Moody).options(num_cpus=config.cpus).remote(config))


def test_scores_stand_beside_the_verdicts(make_config: Make) -> None:
    async def scenario() -> None:
        config = make_config()
        scorer = with_reward_model(VerifierPool("math", {}), config)
        await scorer.start()
        try:
            texts = ["#### 4", "#### 5", "four and more"]
            results = await scorer.score(PROMPT, texts, [False] * 3)
            expected = RewardModelHost(config).score([(PROMPT.text, text) for text in texts])
            assert [r.components["reward_model"] for r in results] == pytest.approx(expected, abs=1e-4)
            assert [(r.value, r.correct) for r in results] == [(1.0, True), (0.0, False), (0.0, False)]
            assert scorer.metrics()["reward_model/groups"] == 1
            alone = await verifiers_of(scorer).score(PROMPT, texts, [False] * 3)
            assert all(not r.components for r in alone)
        finally:
            await scorer.close()

    asyncio.run(scenario())


def test_deaths_hangs_and_failures_cost_one_group_its_score(make_config: Make) -> None:
    async def scenario() -> None:
        client = moody(make_config(timeout_s=3, max_restarts=2, start_timeout_s=120))
        await client.start()
        try:
            assert len(await client.score("q", ["a", "b"]) or []) == 2
            assert await client.score("q", ["fail", "b"]) is None
            assert await client.score("q", ["die", "b"]) is None
            await _until_back(client)
            began = time.monotonic()
            hung, waiting = await asyncio.gather(client.score("q", ["hang", "b"]), client.score("q", ["c"]))
            assert hung is None
            assert time.monotonic() - began < 2 * 3 + 1  # its own turn and a call, whatever the other did
            assert waiting is None or len(waiting) == 1
            await _until_back(client)
            assert len(await client.score("q", ["a"]) or []) == 1
            figures = client.metrics()
            assert (
                figures["reward_model/restarts"],
                figures["reward_model/failed"],
                figures["reward_model/lost"],
            ) == (2, 1, 2)
        finally:
            await client.close()

    asyncio.run(scenario())


async def _until_back(client: RewardModelClient) -> None:
    deadline = time.monotonic() + 90
    while await client.score("q", ["hello"]) is None:
        assert time.monotonic() < deadline, "the model did not come back"


def test_without_restarts_left_the_run_ends_and_says_why(make_config: Make) -> None:
    async def scenario() -> None:
        client = moody(make_config(max_restarts=0))
        await client.start()
        try:
            assert await client.score("q", ["die"]) is None
            with pytest.raises(RewardModelDead, match=r"lost 1 times \(reward_model.max_restarts=0\)"):
                await client.score("q", ["a"])
        finally:
            await client.close()

    asyncio.run(scenario())


def test_a_model_that_cannot_load_is_said_at_the_start(make_config: Make) -> None:
    config = make_config(label=7)
    client = RewardModelClient(config, lambda: create_reward_model_actor(config))
    with pytest.raises(ValueError, match=r"reward_model.path: .*label: 7 does not exist"):
        asyncio.run(client.start())
