"""``t2rl eval``: held-out evaluation of a model directory, or of what a run ended with."""

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.commands.export import export_checkpoint
from rl.commands.runs.resume import stage_of
from rl.config.load import load_config
from rl.config.model import PathModelConfig, trusts_code
from rl.config.schema import Config
from rl.engines.serving import lent_fleet, sampling_service
from rl.evaluation.held_out import Evaluator, More, temperatures_of
from rl.evaluation.summary import render, summarise, to_json
from rl.records.phases import Phases
from rl.records.storage import require_writable
from rl.run.prepare.inputs import Prepared, prepare
from rl.scorers.reward_watch import RewardWatch
from rl.scorers.verifiers import make_verifiers
from rl.views.evaluations import Counts, evaluation_file

logger = logging.getLogger(__name__)

DEFAULT = "quickstart"
"""The config that engines are set up by where no target brings one."""


def evaluate_cli(
    target: str, overrides: list[str], *, as_json: bool, step: str | None = None, to: Path | None = None
) -> None:
    """Print the table, or its JSON; the counts go to ``to``, else into the run, or beside a model directory.

    Raises:
        ValueError: ``target`` is neither a run nor a model directory, or its counts cannot be written.
    """
    phases = Phases()
    config, model = resolve(Path(target), overrides, step=step)
    directory = to or _counts_directory(Path(target), model)
    require_writable(directory, field="--to")
    phases("preparing the model and the prompts")
    prepared = prepare(config)
    phases("starting Ray")
    start_ray(config)
    try:
        phases("starting the engines and the verifiers, then evaluating")
        temperatures = temperatures_of(config.evaluation)
        counts = asyncio.run(ask_held_out(config, prepared, directory, temperatures=temperatures))
    finally:
        stop_ray()
    summary = summarise(
        counts, ks=config.evaluation.ks, resamples=config.evaluation.bootstrap, seed=config.run.seed
    )
    if as_json:
        print(json.dumps(to_json(summary), indent=2))
    else:
        Console().print(render(summary, title=f"{model}: held-out {config.evaluation.split} set"))
    file, temperature = evaluation_file(directory, 0), config.evaluation.temperature
    print(f"counts: {file}; t2rl passk {file} --temperature {temperature:g}", file=sys.stderr)


def _counts_directory(target: Path, model: Path) -> Path:
    is_run = (target / "attempts.jsonl").is_file()
    return (target if is_run else model.parent) / f"eval-{model.resolve().name}"


def resolve(target: Path, overrides: list[str], *, step: str | None = None) -> tuple[Config, Path]:
    """Config and model directory of a target.

    A run brings its own config and, without ``step``, the model that it ended with; one that did not get to
    its end, or ``step``, asks for a checkpoint, which is exported first. For a model directory the first
    override without ``=`` names a config (``quickstart`` if none does).
    """
    if (target / "attempts.jsonl").is_file():
        # The rows of sft and dpo are no task, so their models are asked as any directory is.
        name = str(target / "config.yaml") if stage_of(target) == "train" else None
        model = target / "model"
        if step is not None or not (model / "config.json").is_file():
            number, model = export_checkpoint(target, step=step)
            logger.warning("%s: the model of step %d, exported to %s", target, number, model)
    elif step is not None:
        raise ValueError(
            f"--step {step}: {target} is no run directory (attempts.jsonl), so it has no checkpoints"
        )
    elif (target / "config.json").is_file():
        model, name = target, None
    else:
        raise ValueError(
            f"{target} is neither a run directory (attempts.jsonl) nor a Hugging Face model directory"
            " (config.json)"
        )
    names = [word for word in overrides if not is_override(word)]
    if len(names) > 1:
        raise ValueError(f"{target}: one config at most; there are {', '.join(names)}")
    settings = [word for word in overrides if is_override(word)]
    return config_of(model, names[0] if names else name, settings), model


def is_override(word: str) -> bool:
    """True for ``section.field=value`` and ``~section.field``; any other word is a name."""
    return "=" in word or word.startswith("~")


def config_of(model: Path, name: str | None, settings: Sequence[str]) -> Config:
    """The config ``name`` (None: that of engines for any model) with the model of a directory, as it lies on
    disk: adapters are merged, so engines have none to wait for."""
    if name is None:
        name = DEFAULT
        if not any(setting.startswith("model=") for setting in settings):
            settings = ["model=path", "model.path=.", *settings]  # its fields, model.trust_remote_code
    config = load_config(name, list(settings))
    section = PathModelConfig(path=str(model), trust_remote_code=trusts_code(config.model))
    learner = config.learner.model_copy(update={"lora": None})
    return config.model_copy(update={"model": section, "learner": learner})


async def ask_held_out(
    config: Config,
    prepared: Prepared,
    directory: Path,
    *,
    temperatures: Sequence[float],
    more: More | None = None,
) -> list[Counts]:
    """Start the engines on a model, ask it the held-out problems, and leave the seats to the next one.

    Args:
        config: Of the model.
        prepared: Its prompts and its task.
        directory: Exists; takes counts and samples.
        temperatures: Of the samples; one pass each.
        more: Gives further columns of a problem's row.
    """
    reward, args = prepared.task.reward_name, prepared.task.reward_args
    scorer = make_verifiers(config, reward, args)
    watch = RewardWatch(reward, first_batch=len(prepared.eval_prompts))
    trace = directory / "trace.json"
    with lent_fleet(config, prepared.model_path) as engines:
        async with sampling_service(
            config, engines, scorer, decode=prepared.decode(), trace=trace, watch=watch
        ) as service:
            evaluator = Evaluator(
                service=service,
                prompts=prepared.eval_prompts,
                samples=config.evaluation.samples_per_prompt,
                max_tokens=config.rollout.max_tokens,
                top_p=config.rollout.top_p,
                seed=config.run.seed,
                directory=directory,
                more=more,
            )
            return await evaluator.run(version=0, temperatures=temperatures)
