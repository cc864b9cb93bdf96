"""The driver of a stage: a config in, a run directory with ``model/`` out."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.config.load import dump_config
from rl.config.stages import DpoConfig, SftConfig, StageConfig
from rl.prepare import locate_model
from rl.records.metrics import MetricsWriter
from rl.records.progress import ProgressDisplay
from rl.records.rundir import RunDir
from rl.stages.preference import dpo_columns, examples_of_file, read_pairs, write_pairs
from rl.stages.supervised import sft_columns, sft_examples

SHOWN = {
    "sft": (("loss", "sft/loss", ".4f"), ("token accuracy", "sft/token_accuracy", ".3f")),
    "dpo": (("loss", "dpo/loss", ".4f"), ("pair accuracy", "dpo/pair_accuracy", ".3f"), ("margin", "dpo/reward_margin", ".3f")),
}
"""Figures of the display."""


class Interrupted(KeyboardInterrupt):
    """The stage stopped on request; its last checkpoint holds everything."""


@dataclass(frozen=True, slots=True)
class StageStart:
    """Where the stage begins: its directory and, for a resume, the checkpoint and the steps it has done."""

    run: RunDir
    checkpoint: Path | None = None
    steps: int = 0


def run_sft(config: SftConfig) -> Path:
    """Train to the end, or resume; returns the run directory.

    Raises:
        ValueError: the user's input is wrong; raised before the run directory exists.
        Interrupted: Ctrl-C or SIGTERM; ``resume=auto`` goes on from the checkpoint it left.
    """
    model_path, tokenizer = _load_tokenizer(config)
    examples = sft_examples(config, tokenizer)
    stage = _Stage(config, open_stage(config), model_path, tokenizer)
    return stage.run(lambda: sft_columns(examples))


def run_dpo(config: DpoConfig) -> Path:
    """The same for pairs, which are sampled first unless a file has them; sampled ones stay in ``RUN/pairs.jsonl``.

    Raises:
        ValueError: the user's input is wrong, or no pair was found.
        Interrupted: as for :func:`run_sft`.
    """
    if config.pairs.path is not None:
        model_path, tokenizer = _load_tokenizer(config)
        examples = examples_of_file(config.pairs, tokenizer)
        return _Stage(config, open_stage(config), model_path, tokenizer).run(lambda: dpo_columns(examples))
    from rl.stages.sampling import prepare_sampling, sample_pairs

    sampling, prepared = prepare_sampling(config)
    start = open_stage(config)
    kept = start.run.path / "pairs.jsonl"

    def columns() -> dict[str, list[list[int]]]:
        if not kept.exists():
            write_pairs(kept, sample_pairs(config, sampling, prepared, start.run))
        return dpo_columns(read_pairs(kept))

    return _Stage(config, start, prepared.model_path, prepared.tokenizer).run(columns)


def open_stage(config: StageConfig) -> StageStart:
    """Pick the run directory and the checkpoint that ``resume`` asks for.

    Raises:
        ValueError: the checkpoint named is none, or another process holds the run.
    """
    from rl.stages.trainer import checkpoints_of

    parent = Path(config.run.dir)
    if config.resume == "auto" and (latest := RunDir.latest(parent, config.run.name)) is not None:
        run = latest.open()
        steps, checkpoint = max(checkpoints_of(run.checkpoints), default=(0, None))
        return StageStart(run, checkpoint, steps)
    if config.resume in ("auto", "never"):
        return StageStart(RunDir.create(parent, config.run.name))
    path = Path(config.resume)
    run = RunDir.containing(path)
    for steps, checkpoint in checkpoints_of(run.checkpoints):
        if checkpoint.resolve() == path.resolve():
            return StageStart(run.open(), checkpoint, steps)
    raise ValueError(f"resume: {path} is not a complete checkpoint (a directory checkpoints/checkpoint-N of a run)")


def _load_tokenizer(config: StageConfig) -> tuple[Path, Any]:
    from transformers import AutoTokenizer

    model_path = locate_model(config)
    return model_path, AutoTokenizer.from_pretrained(model_path)


@dataclass(frozen=True, slots=True)
class _Stage:
    """One start of a stage, from its rows to its model."""

    config: SftConfig | DpoConfig
    start: StageStart
    model_path: Path
    tokenizer: Any

    def run(self, columns: Callable[[], dict[str, list[list[int]]]]) -> Path:
        """Train on what ``columns`` returns once the run directory is ours."""
        run = self.start.run
        try:
            run.config.write_text(dump_config(self.config), encoding="utf-8")
            finished = self._train(columns())
        finally:
            run.close()
        if not finished:
            raise Interrupted(f"stopped with a checkpoint in {run.path}; resume=auto goes on from there")
        return run.path

    def _train(self, columns: dict[str, list[list[int]]]) -> bool:
        """True if it got to the end; the model is then in ``RUN/model``."""
        from rl.stages.trainer import Records, StopAtStep, build_trainer, interrupts, total_steps

        config, start, run = self.config, self.start, self.start.run
        steps = total_steps(config.trainer, rows=len(next(iter(columns.values()))))
        trainer = build_trainer(
            config, columns, model_path=self.model_path, tokenizer=self.tokenizer, output=run.checkpoints, steps=steps
        )
        metrics = MetricsWriter(run.metrics, attempt=run.begin_attempt(restored_step=start.steps), restored_step=start.steps)
        stop = StopAtStep()
        trainer.add_callback(stop)
        try:
            with ProgressDisplay(steps, first_step=start.steps, shown=SHOWN[config.stage]) as progress, interrupts(stop.request):
                trainer.add_callback(Records(metrics, progress, config.stage))
                trainer.train(resume_from_checkpoint=None if start.checkpoint is None else str(start.checkpoint))
        finally:
            metrics.close()
        if trainer.state.global_step < steps:
            return False
        adapted = config.trainer.lora is not None
        _export(trainer.model.get_base_model() if adapted else trainer.model, run.path / "model", self.model_path)
        return True


def _export(causal_lm: Any, directory: Path, model_path: Path) -> None:
    """Weights with adapters merged in, config and the base's own tokenizer files; whole or not at all."""
    from rl.learner.export import export_model

    staging = directory.with_name(directory.name + ".writing")
    shutil.rmtree(staging, ignore_errors=True)
    export_model(causal_lm, staging, model_path=str(model_path), gather=False, is_writer=True)
    shutil.rmtree(directory, ignore_errors=True)
    staging.rename(directory)
