"""``t2rl bases eval --config``: every checkpoint of a ladder sampled by the engines, on the task of a run."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.commands.evaluate import ask_held_out
from rl.commands.suites.evaluate import without_training
from rl.config.errors import ConfigError
from rl.config.load import load_config
from rl.config.schema import Config
from rl.ladder.checkpoints import Checkpoint, all_checkpoints, chosen
from rl.ladder.layout import LadderDir
from rl.ladder.post_train import run_overrides
from rl.ladder.sampled import axes_of, histograms, read_sampled, scores_at
from rl.ladder.scores import headline
from rl.records.cost.model import read_model_cost
from rl.records.model_files import base_fingerprint
from rl.records.phases import Phases
from rl.run.prepare.inputs import prepare
from rollout.types import RolloutGroup

SAMPLER = "vLLM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How checkpoints are sampled; the same for all of them."""

    config: str
    """Name or file of a run: its task, held-out split, samples a problem, engines."""
    overrides: tuple[str, ...] = ()
    temperatures: tuple[float, ...] = ()
    """Empty: the run's own."""
    cuts: tuple[int, ...] = ()
    """Limits of tokens; the largest is sampled under, the others are read from its samples. Empty: the
    run's own."""

    def facts(self) -> dict[str, Any]:
        """For the file of scores."""
        return {
            "config": self.config,
            "overrides": list(self.overrides),
            "temperatures": list(self.temperatures),
            "cuts": list(self.cuts),
        }


def sample_ladder(path: Path, asked: Asked, *, only: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Sample what has no such samples yet, or has other weights by now; one headline for each checkpoint,
    temperature and limit.

    Raises:
        ConfigError: before anything starts: no checkpoint, or a run config that does not validate.
        ValueError: the task or a model is wrong; names the field.
    """
    directory = LadderDir(path)
    checkpoints = chosen(all_checkpoints(directory), list(only))
    if not checkpoints:
        raise ConfigError(f"{path} has no finished base yet: t2rl bases build goes on with it")
    configs = {c.key: run_config(directory, c, asked) for c in checkpoints}
    phases = Phases()
    with directory.locked("eval"):
        missing = [c for c in checkpoints if not _sampled(directory, c, asked)]
        if missing:
            phases("starting Ray")
            start_ray(configs[missing[0].key])
            try:
                for checkpoint in missing:
                    content = _sample(checkpoint, configs[checkpoint.key], asked, directory, phases)
                    directory.write_json(directory.sampled_file(checkpoint.key), content)
            finally:
                stop_ray()
    files = [read_sampled(directory, c.key) for c in checkpoints]
    return [headline(scores_at(file, axis)) for file in files if file is not None for axis in axes_of(file)]


def run_config(directory: LadderDir, checkpoint: Checkpoint, asked: Asked) -> Config:
    """The run's config on this checkpoint, without a learner, under the largest limit."""
    limit = [f"rollout.max_tokens={max(asked.cuts)}"] if asked.cuts else []
    overrides = run_overrides(directory, checkpoint, asked.config, [*asked.overrides, *limit])
    config = load_config(asked.config, overrides)
    # An exported model is merged, so engines have no adapter to wait for.
    learner = config.learner.model_copy(update={"lora": None})
    return without_training(config.model_copy(update={"learner": learner}))


def _sampled(directory: LadderDir, checkpoint: Checkpoint, asked: Asked) -> bool:
    """True if the file there is of these weights and was asked for in the same way."""
    file = read_sampled(directory, checkpoint.key)
    if file is None or file["asked"] != asked.facts():
        return False
    return bool(file["weights"] == base_fingerprint(checkpoint.model)["weights"])


def _sample(
    checkpoint: Checkpoint, config: Config, asked: Asked, directory: LadderDir, phases: Phases
) -> dict[str, Any]:
    """The content of a checkpoint's file. Ray must run."""
    prepared = prepare(config)
    temperatures = list(asked.temperatures) or [config.evaluation.temperature]
    phases(f"{checkpoint.key}: {len(prepared.eval_prompts)} problems at {len(temperatures)} temperatures")
    folder = directory.sampled_file(checkpoint.key).with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    counts = asyncio.run(ask_held_out(config, prepared, folder, temperatures=temperatures, more=lengths_of))
    cost = read_model_cost(prepared.model_path)
    if cost is None:
        raise ConfigError(f"{checkpoint.model} has no safetensors, which say the model's shape")
    shape = cost.shape
    names = ("layers", "width", "attention_width", "kv_width", "vocabulary")
    return {
        "key": checkpoint.key,
        "weights": base_fingerprint(checkpoint.model)["weights"],
        "name": checkpoint.name,
        "post": checkpoint.post,
        "bits": 0,
        "params": checkpoint.params,
        "params_total": checkpoint.params_total,
        "tokens": checkpoint.tokens,
        "level": checkpoint.level,
        "post_flops": checkpoint.post_flops,
        "shape": {name: int(getattr(shape, name)) for name in names},
        "sampler": SAMPLER,
        "asked": asked.facts(),
        "max_tokens": config.rollout.max_tokens,
        "temperatures": {f"{c.sampling.temperature:g}": [_row(row) for row in c.rows] for c in counts},
    }


def lengths_of(group: RolloutGroup) -> dict[str, Any]:
    """Further columns of a problem's row: how many right and wrong samples had each length."""
    return histograms(
        [len(r.completion.token_ids) for r in group.rollouts], [r.result.correct for r in group.rollouts]
    )


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "category", "difficulty", "prompt_tokens", "truncated", "right", "wrong")
    return {name: row[name] for name in names}
