"""Pairs from the model itself: the train prompts of a task, sampled by the real engines and judged by the
task's reward."""

import asyncio
from typing import Any

from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.config.load import validate
from rl.config.schema import Config
from rl.config.stages import DpoConfig
from rl.engines.serving import sampling_service, seated_fleet
from rl.records.rundir import RunDir
from rl.run.prepare.inputs import Prepared, prepare
from rl.scorers.reward_watch import RewardWatch
from rl.scorers.verifiers import make_verifiers
from rl.stages.preference import pairs_of
from rl.stream.plans import new_groups
from rollout.types import RolloutGroup, SamplingConfig


def sampling_config(config: DpoConfig) -> Config:
    """The stage as a run that only samples: the same sections under the same names, so that their checks
    speak the user's language.

    Raises:
        ConfigError: They do not fit together.
    """
    sections: dict[str, Any] = config.model_dump(include={"task", "model", "rollout"}, mode="json")
    sections["cluster"] = config.cluster.model_dump()  # With its secrets, which JSON leaves out.
    run = {"name": config.run.name, "dir": config.run.dir, "seed": config.run.seed}
    learner = {"device": "cuda", "dtype": "bfloat16"} if config.rollout.device == "cuda" else {}
    return validate(
        {**sections, "run": run, "learner": learner, "evaluation": {"num_prompts": 1}, "tracker": "none"}
    )


def sample_pairs(
    config: DpoConfig, sampling: Config, prepared: Prepared, run: RunDir
) -> list[dict[str, Any]]:
    """Rows for ``rl.stages.preference.write_pairs``; starts Ray and engines, and stops them.

    Raises:
        ValueError: No prompt had a right and a wrong completion.
    """
    start_ray(sampling, run.logs)
    try:
        groups = asyncio.run(_sample(config, sampling, prepared, run))
    finally:
        stop_ray()
    rows = pairs_of(groups, per_prompt=config.pairs.per_prompt)
    if not rows:
        right = sum(g.num_correct for g in groups)
        raise ValueError(
            f"pairs: none of {len(groups)} prompts had a right and a wrong completion that ended (right ones:"
            f" {right} of {sum(len(g.rollouts) for g in groups)}); raise pairs.prompts or"
            " pairs.samples_per_prompt, or begin with t2rl sft"
        )
    return rows


def prepare_sampling(config: DpoConfig) -> tuple[Config, Prepared]:
    """The checked run and its prompts, before any actor starts.

    Raises:
        ValueError: As ``rl.run.prepare.inputs.prepare``.
    """
    sampling = sampling_config(config)
    return sampling, prepare(sampling)


async def _sample(config: DpoConfig, sampling: Config, prepared: Prepared, run: RunDir) -> list[RolloutGroup]:
    rollout = sampling.rollout
    task, per_prompt = prepared.task, config.pairs.samples_per_prompt
    prompts = prepared.train_prompts[: config.pairs.prompts]
    states = new_groups(
        plan_step=0,
        refill_round=0,
        prompts=prompts,
        num_rollouts=[per_prompt] * len(prompts),
        max_tokens=[rollout.max_tokens] * len(prompts),
        sampling=SamplingConfig(
            temperature=rollout.temperature, top_p=rollout.top_p, max_tokens=rollout.max_tokens
        ),
        run_seed=config.run.seed,
    )
    async with sampling_service(
        sampling,
        seated_fleet(sampling, prepared.model_path),
        make_verifiers(sampling, task.reward_name, task.reward_args),
        decode=prepared.decode(),
        trace=run.trace,
        watch=RewardWatch(task.reward_name, first_batch=len(prompts) * per_prompt),
    ) as service:
        return list(await asyncio.gather(*(service.finish(state) for state in states)))
