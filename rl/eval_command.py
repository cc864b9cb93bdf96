"""``t2rl eval``: held-out evaluation of a model directory, or of what a run ended with."""

import asyncio
import json
from pathlib import Path

from rich.console import Console

from rl.actors import create_fleet
from rl.cluster import create_placement, plan_placement
from rl.config.load import load_config
from rl.config.schema import Config
from rl.evaluate import Counts, Evaluator, temperatures_of
from rl.evaluation_summary import render, summarise, to_json
from rl.prepare import Prepared, prepare
from rl.ray_runtime import start_ray, stop_ray
from rl.records.trace import TraceWriter
from rl.rollout_service import RolloutService
from rl.verifiers import make_verifiers


def evaluate_cli(target: str, overrides: list[str], *, as_json: bool) -> None:
    """Print the table, or its JSON; counts go to ``eval/`` beside the model.

    Raises:
        ValueError: ``target`` is neither a run nor a model directory.
    """
    config, model = resolve(Path(target), overrides)
    prepared = prepare(config)
    start_ray(config)
    try:
        counts = asyncio.run(_evaluate(config, prepared, model.parent / f"eval-{model.name}"))
    finally:
        stop_ray()
    summary = summarise(counts, ks=config.evaluation.ks, resamples=config.evaluation.bootstrap, seed=config.run.seed)
    if as_json:
        print(json.dumps(to_json(summary), indent=2))
    else:
        Console().print(render(summary, title=f"{model}: held-out {config.evaluation.split} set"))


def resolve(target: Path, overrides: list[str]) -> tuple[Config, Path]:
    """The config to evaluate under, and the model directory in it.

    A run brings its own config; for a model directory the first override without ``=`` names one (``quickstart`` if none does).
    """
    if (target / "attempts.jsonl").is_file():
        model, name = target / "model", str(target / "config.yaml")
        if not (model / "config.json").is_file():
            raise ValueError(f"{target} has no model/ yet: finish the run with resume=auto, then evaluate it")
    elif (target / "config.json").is_file():
        model, name = target, "quickstart"
    else:
        raise ValueError(f"{target} is neither a run directory (attempts.jsonl) nor a Hugging Face model directory (config.json)")
    names = [o for o in overrides if "=" not in o]
    settings = [o for o in overrides if "=" in o]
    config = load_config(names[0] if names else name, settings)
    # An exported model is merged, so engines have no adapter to wait for.
    learner = config.learner.model_copy(update={"lora": None})
    return config.model_copy(update={"model": _path_model(model), "learner": learner}), model


def _path_model(model: Path) -> object:
    from rl.config.model import PathModelConfig

    return PathModelConfig(path=str(model))


async def _evaluate(config: Config, prepared: Prepared, directory: Path) -> list[Counts]:
    placed = create_placement(plan_placement(config))
    fleet = create_fleet(config, prepared.model_path, placed)
    scorer = make_verifiers(config, prepared.task.reward_name, prepared.task.reward_args)
    directory.mkdir(exist_ok=True)
    trace = TraceWriter(directory / "trace.json")
    try:
        await asyncio.gather(fleet.start(), scorer.start())
        service = RolloutService(
            fleet=fleet,
            scorer=scorer,
            decode=prepared.decode(),
            group_timeout_s=config.stream.group_timeout_s,
            max_issues=config.stream.max_issues,
            trace=trace,
        )
        evaluator = Evaluator(
            service=service,
            prompts=prepared.eval_prompts,
            config=config.evaluation,
            max_tokens=config.rollout.max_tokens,
            top_p=config.rollout.top_p,
            seed=config.run.seed,
            directory=directory,
        )
        return await evaluator.run(version=0, temperatures=temperatures_of(config.evaluation))
    finally:
        await asyncio.gather(fleet.stop(), scorer.close(), return_exceptions=True)
        trace.close()
