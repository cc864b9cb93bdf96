"""Facts of a run that a model card says: what was trained on what, how, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from rl.config.schema import Config
from rl.config.stages import StageConfig
from rl.evaluation.summary import EvaluationSummary
from rl.run.report_table import summarise_run
from rl.views.run_view import RunView

SECRET = "(left out)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the card reads."""

    title: str
    command: str
    """``train``, ``sft`` or ``dpo``."""
    base: str
    base_on_hub: str | None
    """The base's name on the Hub, where it has one."""
    data: str
    method: str
    curriculum: str
    steps: int
    tokens: int
    """Sampled in training; 0 for a stage that samples nothing."""
    seconds: float
    cost: Mapping[str, float]
    """The run's totals, ``cost/total_*`` without the prefix."""
    summary: EvaluationSummary | None
    """None where nothing was evaluated."""
    split: str
    version: str


def read_facts(run: RunView, config: Config | StageConfig, *, step: int) -> Facts:
    """Gather the facts of ``step`` optimizer steps of a run.

    Raises:
        ValueError: an evaluation file of the run cannot be read.
    """
    rows = [row for row in run.metrics() if row["step"] < step]
    last = rows[-1] if rows else {}
    base, on_hub = base_of(config)
    trained = config if isinstance(config, Config) else None
    return Facts(
        title=run.name,
        command=str(getattr(config, "stage", "train")),
        base=base,
        base_on_hub=on_hub,
        data=data_of(run.config()),
        method=trained.algorithm.name if trained else "",
        curriculum=trained.curriculum.name if trained else "",
        steps=step,
        tokens=int(last.get("rollout/total_tokens", 0)),
        seconds=sum(row.get("time/step_s", 0.0) for row in rows),
        cost={k.removeprefix("cost/total_"): v for k, v in last.items() if k.startswith("cost/total_")},
        summary=_summary(run, trained, step) if trained else None,
        split=trained.evaluation.split if trained else "",
        version=version("t2rl"),
    )


def _summary(run: RunView, config: Config, step: int) -> EvaluationSummary | None:
    """Base against the evaluation of this very step; None where one of the two is missing."""
    versions = {counts.version for counts in run.evaluations()}
    return summarise_run(run.files, config) if step in versions and step == run.steps_done else None


def base_of(config: Config | StageConfig) -> tuple[str, str | None]:
    """The base in words, and its name on the Hub if that is where it came from."""
    model = config.model
    if model.kind == "recipe":
        recipe = model.recipe
        return (
            f"{recipe.name}, pretrained from scratch by T2RL's own recipe on {recipe.tokens:,} tokens",
            None,
        )
    if model.kind == "package":
        return f"{model.file.removesuffix('.gguf')}, expanded to float32", None
    local = Path(model.path)
    if local.exists() or local.is_absolute():
        return local.name, None
    return model.path, model.path


def data_of(tree: Mapping[str, Any]) -> str:
    """The training data in words: a dataset's or file's name, never a path of this machine."""
    task = tree.get("task") or {}
    if parts := task.get("parts"):
        return "; ".join(f"{name}: {data_of({'task': part})}" for name, part in parts.items())
    kind = str(task.get("kind", "file"))
    if kind == "reasoning_gym":
        categories = ", ".join(map(str, task.get("categories") or ()))
        return f"procedural problems of reasoning-gym: {categories}"
    data = tree.get("data")
    sources = [task.get("path"), task.get("train"), data.get("path") if isinstance(data, dict) else None]
    for given in (str(source) for source in sources if source):
        local = given.startswith(("/", ".", "~")) or Path(given).exists()
        return Path(given).name if local else given
    return f"a task of kind {kind}"


def public_config(tree: Mapping[str, Any]) -> str:
    """The config as YAML for strangers: environment variables' values are left out, paths of this machine are
    names."""
    return yaml.safe_dump(_public(tree), sort_keys=False, allow_unicode=True)


def _public(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        if name == "env":
            return dict.fromkeys(value, SECRET)
        return {key: _public(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_public(item) for item in value]
    if isinstance(value, str) and (Path(value).is_absolute() or value.startswith("~")):
        return Path(value).name
    return value
