"""Real rollouts of a config's base, saved as training batches: what a benchmark of the learner trains on.

    python -m benchmarks.lib.record --config quickstart --batches 4 --out batches.pkl

The batches are the config's own: its train prompts in order, ``stream.prompts_per_step`` x
``stream.rollouts_per_prompt`` rollouts each, sampled by one engine, scored by the task's reward.
"""

import argparse
import asyncio
import os
import pickle
from pathlib import Path

import numpy as np

from rewards.processes.pool import VerifierPool
from rl.batch.types import TrainingBatch
from rl.config.load import load_config
from rl.config.schema import Config
from rl.engines.actors import engine_config
from rl.run.prepare.inputs import Prepared, prepare
from rl.stream.plans import GroupState, new_groups
from rollout.engine import InferenceEngine, build_engine
from rollout.types import Rollout, RolloutGroup, SamplingConfig
from rollout.vllm_env import prepare_process


async def record(config: Config, prepared: Prepared, *, batches: int) -> list[TrainingBatch]:
    """Sample and score ``batches`` batches under the base."""
    engine = build_engine(engine_config(config, prepared.model_path))
    scorer = VerifierPool(prepared.task.reward_name, prepared.task.reward_args)
    await asyncio.gather(engine.start(), scorer.start())
    try:
        recorded = []
        for step in range(batches):
            groups = await asyncio.gather(
                *(_finish(s, engine, scorer, prepared) for s in _plan(config, prepared, step))
            )
            recorded.append(TrainingBatch.from_groups(step, list(groups)))
        return recorded
    finally:
        await asyncio.gather(engine.stop(), scorer.close(), return_exceptions=True)


def _plan(config: Config, prepared: Prepared, step: int) -> list[GroupState]:
    rollout, count = config.rollout, config.stream.prompts_per_step
    indices = np.arange(step * count, (step + 1) * count) % len(prepared.train_prompts)
    return new_groups(
        plan_step=step,
        refill_round=0,
        prompts=[prepared.train_prompts[i] for i in indices],
        num_rollouts=[config.stream.rollouts_per_prompt] * count,
        max_tokens=[rollout.max_tokens] * count,
        sampling=SamplingConfig(
            temperature=rollout.temperature, top_p=rollout.top_p, max_tokens=rollout.max_tokens
        ),
        run_seed=config.run.seed,
    )


async def _finish(
    state: GroupState, engine: InferenceEngine, scorer: VerifierPool, prepared: Prepared
) -> RolloutGroup:
    completions = await engine.generate(state.request)
    texts = prepared.decode()([c.token_ids.tolist() for c in completions])
    results = await scorer.score(state.prompt, texts, [c.truncated for c in completions])
    return RolloutGroup(
        group_id=state.request.group_id,
        plan_step=state.plan_step,
        prompt=state.prompt,
        sampling=state.request.sampling,
        rollouts=tuple(
            Rollout(completion=c, text=t, result=r)
            for c, t, r in zip(completions, texts, results, strict=True)
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="quickstart")
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("overrides", nargs="*", help="of the config")
    args = parser.parse_args()
    config = load_config(args.config, [*args.overrides, "rollout.cores=null"])
    prepared = prepare(config)
    prepare_process(engine_config(config, prepared.model_path))
    recorded = asyncio.run(record(config, prepared, batches=args.batches))
    args.out.write_bytes(pickle.dumps(recorded))
    os._exit(0)  # vLLM's atexit handlers take seconds and there is nothing left to lose


if __name__ == "__main__":
    main()
