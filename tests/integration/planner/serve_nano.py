"""Run in a process of its own (vLLM's state is global): every strategy on the in-process engine, nano base;
JSON to stdout."""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from planner.strategies import BestOfN, MajorityVote, RepeatedSampling, WeightedVote
from planner.strategies.base import Attempt, Result, Score
from rewards.processes.pool import VerifierPool
from rl.config.load import load_config
from rl.engines.actors import engine_config
from rl.engines.decode import EnginePolicy, RewardVerifier
from rl.run.prepare.inputs import prepare
from rollout.engine import build_engine
from rollout.types import Prompt, SamplingConfig
from rollout.vllm_env import prepare_process

BUDGET, MAX_TOKENS = 400, 16


class ShortIsGood:
    """A scorer that reads every sample."""

    def most_tokens(self, prompt: Prompt, attempt_tokens: int) -> int:
        return attempt_tokens

    async def score(self, prompt: Prompt, attempts: list[Attempt]) -> list[Score]:
        return [Score(value=1 / a.tokens, tokens=a.tokens) for a in attempts]


async def main() -> dict[str, Any]:
    config = load_config("debug", ["rollout.cores=null"])
    prepared = prepare(config)
    served = engine_config(config, prepared.model_path)
    prepare_process(served)
    engine, pool = build_engine(served), VerifierPool(prepared.task.reward_name, prepared.task.reward_args)
    await asyncio.gather(engine.start(), pool.start())
    try:
        policy = EnginePolicy(generate=engine.generate, decode=prepared.decode(), sampling=SamplingConfig())
        verifier, common = RewardVerifier(scorer=pool), {"k": 6, "max_tokens": MAX_TOKENS, "batch": 2}
        strategies: dict[str, tuple[Any, Any]] = {
            "repeated_sampling": (RepeatedSampling(**common), verifier),
            "majority": (MajorityVote(**common, answer_of=lambda text: text.strip() or None), None),
            "weighted_vote": (
                WeightedVote(**common, answer_of=lambda text: text.strip() or None),
                ShortIsGood(),
            ),
            "best_of_n": (BestOfN(**common), ShortIsGood()),
        }
        prompts = prepared.eval_prompts[:4]
        before = (await engine.stats())["generated_tokens"]
        runs: dict[str, list[Result]] = {}
        for name, (strategy, judge) in strategies.items():
            asked = (
                strategy.run(p, policy, judge, BUDGET, np.random.default_rng(i))
                for i, p in enumerate(prompts)
            )
            runs[name] = list(await asyncio.gather(*asked))
        generated = (await engine.stats())["generated_tokens"] - before
        gold = [Attempt(text=f"#{p.answer}", tokens=1, truncated=False) for p in prompts]
        again = [await policy.sample(prompts[0], 3, max_tokens=MAX_TOKENS, seed=5) for _ in range(2)]
        return {
            "budget": BUDGET,
            "prompts": [len(p.token_ids) for p in prompts],
            "generated": generated,
            "runs": {
                name: [asdict(r) | {"used": r.tokens_used} for r in results] for name, results in runs.items()
            },
            "gold": [(await verifier.accepts(p, [g]))[0] for p, g in zip(prompts, gold, strict=True)],
            "nonsense": (await verifier.accepts(prompts[0], [Attempt(text="", tokens=1, truncated=False)]))[
                0
            ],
            "same": again[0] == again[1],
        }
    finally:
        await asyncio.gather(engine.stop(), pool.close(), return_exceptions=True)


if __name__ == "__main__":
    found = asyncio.run(main())
    sys.stdout.write("\nRESULT " + json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)  # vLLM's atexit handlers take seconds
