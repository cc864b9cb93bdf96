"""``t2rl export``: any checkpoint of a run as a Hugging Face directory, in one process."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rl.config.hub import model_directory
from rl.config.load import load_as
from rl.config.model import PackagedModelConfig, PathModelConfig, RecipeModelConfig, trusts_code
from rl.config.roots import ROOTS
from rl.config.schema import Config
from rl.config.stages import StageConfig
from rl.pretrain.cache import base_dir
from rl.pretrain.packaged import packaged_dir
from rl.records.manifest import damage
from rl.records.model_files import base_fingerprint
from rl.records.rundir import RunDir
from rl.records.storage import StorageErrors, require_writable
from rl.records.trainer_checkpoints import checkpoints_of
from rl.run.base_files import replaced
from rl.run.checkpoint import CheckpointStore
from rl.run.fingerprint.fingerprint import FILE, Fingerprint
from rl.run.prepare.inputs import locate_model
from rl.run.saver import held_out_score

logger = logging.getLogger(__name__)
BEST = "best"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exportable:
    """One checkpoint of a run of any command, with what it needs to become a model."""

    run: RunDir
    step: int
    path: Path
    config: Config | StageConfig

    @property
    def base(self) -> Path:
        """The base's config and tokenizer, as they were when the checkpoint was written."""
        kept = self.path / "base"
        if kept.is_dir():
            return kept
        logger.warning(
            "%s was written by T2RL 0.1 and does not hold its tokenizer: that of model.path is taken",
            self.path,
        )
        return locate_model(self.config)


def export_checkpoint(run: Path, *, step: str | None = None, to: Path | None = None) -> tuple[int, Path]:
    """Write the model of a checkpoint; returns its step and the directory.

    Args:
        run: a run directory of ``t2rl train``, ``sft`` or ``dpo``.
        step: optimizer steps, ``best``, or None for the newest.
        to: a new or empty directory; None = ``RUN/export/step-N``.

    Raises:
        ValueError: no run, no such checkpoint, or ``to`` holds something.
    """
    chosen = choose_checkpoint(run, step)
    directory = to or chosen.run.path / "export" / f"step-{chosen.step:08d}"
    if to is not None and to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ValueError(f"--to {to}: is there already and not empty; name a new directory")
    require_writable(directory.parent, field="--to")
    # Of what DeepSpeed brings along when it is imported; nothing is trained here.
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    with StorageErrors(directory.parent), replaced(directory) as staging:
        _write(chosen, staging)
    return chosen.step, directory


def choose_checkpoint(run: Path, step: str | None) -> Exportable:
    """The checkpoint of ``step``, of the best evaluation, or the newest.

    Raises:
        ValueError: no run, no such checkpoint; names those there are.
    """
    directory = RunDir(run)
    if not directory.attempts.is_file() or not directory.config.is_file():
        raise ValueError(
            f"{run} is no run directory (attempts.jsonl and config.yaml); name one of t2rl train, sft or dpo"
        )
    config = run_config(directory.config)
    found = dict(_checkpoints(directory, config))
    if not found:
        ready = (
            f"; {run}/model is the model that it ended with"
            if (run / "model" / "config.json").is_file()
            else ""
        )
        raise ValueError(f"{directory.checkpoints} holds no checkpoint{ready}")
    number = max(found) if step is None else _best(directory, config) if step == BEST else _number(step)
    if number not in found:
        there = ", ".join(map(str, sorted(found)))
        raise ValueError(
            f"--step {step}: {run} has no such checkpoint; there are {there} (checkpoint.keep says how many)"
        )
    path = found[number]
    if (broken := damage(path)) is not None:
        raise ValueError(
            f"--step {number}: the checkpoint is damaged: {broken}. Export another one with --step"
        )
    own = path / "config.yaml"
    return Exportable(
        run=directory, step=number, path=path, config=run_config(own) if own.is_file() else config
    )


def run_config(path: Path) -> Config | StageConfig:
    """The config of a run, whichever command it is of."""
    stage = yaml.safe_load(path.read_text(encoding="utf-8")).get("stage", "train")
    return load_as(ROOTS[stage], str(path))


def _checkpoints(run: RunDir, config: Config | StageConfig) -> list[tuple[int, Path]]:
    if isinstance(config, Config):
        return [(c.step, c.path) for c in CheckpointStore(run, keep=1).all()]
    return checkpoints_of(run.checkpoints)


def _best(run: RunDir, config: Config | StageConfig) -> int:
    if not isinstance(config, Config):
        raise ValueError(f"--step {BEST}: t2rl sft and dpo evaluate nothing held out; name a step")
    best = CheckpointStore(run, keep=1, score=held_out_score(run, config)).best()
    if best is None:
        raise ValueError(
            f"--step {BEST}: no checkpoint of {run.path} was evaluated; train with evaluation.every, or name"
            " a step"
        )
    return best.step


def _number(step: str) -> int:
    if not step.isdigit():
        raise ValueError(f"--step {step}: a number of optimizer steps, or {BEST}")
    return int(step)


def _write(chosen: Exportable, directory: Path) -> None:
    from rl.learner.export import export_model

    base = chosen.base
    model = _stage_model(chosen) if isinstance(chosen.config, StageConfig) else _run_model(chosen, base)
    fingerprint = Fingerprint.read(chosen.path / FILE)
    origin = str(base) if fingerprint is None else fingerprint.origins["base"]
    export_model(model, directory, model_path=origin, files_from=str(base), gather=False, is_writer=True)


def _run_model(chosen: Exportable, base: Path) -> Any:
    from rl.learner.consolidate import consolidated

    assert isinstance(chosen.config, Config)
    weights = _weights(chosen)
    if weights is None:
        logger.warning(
            "the base is not at its place any more: tensors get the names that transformers gives them"
        )
    return consolidated(
        chosen.path / "learner",
        chosen.config.learner,
        base=base,
        weights=weights,
        trust=trusts_code(chosen.config.model),
    )


def _weights(chosen: Exportable) -> Path | None:
    """The base's directory, if it is there and still what it was when the checkpoint was written."""
    model = chosen.config.model
    fingerprint = Fingerprint.read(chosen.path / FILE)
    try:
        path = _directory_of(model)
    except ValueError as error:
        logger.info("%s", error)
        return None
    if not (path / "config.json").is_file():
        return None
    return path if fingerprint is None or base_fingerprint(path) == fingerprint.things["base"] else None


def _directory_of(model: RecipeModelConfig | PathModelConfig | PackagedModelConfig) -> Path:
    """Where the base is, or would be; nothing is built."""
    if model.kind == "recipe":
        return base_dir(model.recipe)
    if model.kind == "package":
        return packaged_dir(model)
    return model_directory(model.path, revision=model.revision)


def _stage_model(chosen: Exportable) -> Any:
    """TRL's checkpoint: a whole model, or an adapter whose base must still be what it was."""
    import torch
    from transformers import AutoModelForCausalLM

    from rl.learner.names import adopt_names

    assert isinstance(chosen.config, StageConfig)
    adapted = chosen.config.trainer.lora is not None
    whole = _weights(chosen) if adapted else chosen.path
    if whole is None:
        raise ValueError(
            f"the base that {chosen.path} was trained on is gone or another by now; its adapter fits that one"
            " only"
        )
    trust = trusts_code(chosen.config.model)
    causal_lm = AutoModelForCausalLM.from_pretrained(whole, dtype=torch.float32, trust_remote_code=trust)
    adopt_names(causal_lm, whole)
    if not adapted:
        return causal_lm
    from peft import PeftModel

    return PeftModel.from_pretrained(causal_lm, chosen.path).get_base_model()
