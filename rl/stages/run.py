"""The driver of a stage: a config in, a run directory with ``model/`` out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.config.model import trusts_code
from rl.config.stages import DpoConfig, SftConfig, StageConfig
from rl.records.metrics import MetricsWriter
from rl.records.phases import Phases
from rl.records.progress import ProgressDisplay
from rl.records.rundir import RunDir
from rl.records.storage import StorageErrors
from rl.records.trainer_checkpoints import checkpoints_of, set_aside_after
from rl.run.base_files import replaced
from rl.run.fingerprint.fingerprint import FILE, Fingerprint
from rl.run.fingerprint.of_run import stage_fingerprint
from rl.run.prepare.inputs import locate_model
from rl.run.prepare.preflight import check_base, load_tokenizer
from rl.run.start import check_fingerprint, choose_run, describe, open_run
from rl.stages.encode import Example
from rl.stages.preference import dpo_columns, examples_of_file, read_pairs, write_pairs
from rl.stages.supervised import sft_columns, sft_examples

SHOWN = {
    "sft": (("loss", "sft/loss", ".4f"), ("token accuracy", "sft/token_accuracy", ".3f")),
    "dpo": (
        ("loss", "dpo/loss", ".4f"),
        ("pair accuracy", "dpo/pair_accuracy", ".3f"),
        ("margin", "dpo/reward_margin", ".3f"),
    ),
}
"""Figures of the display."""
PAIRS = "pairs.jsonl"
SAVED = ("trainer.betas", "trainer.eps", "trainer.lora", "trainer.lr", "trainer.weight_decay")
"""Settings that the checkpoint brings: TRL would use its own whatever the config says."""


class Interrupted(KeyboardInterrupt):
    """The stage stopped on request; its last checkpoint holds everything."""


@dataclass(frozen=True, slots=True)
class StageStart:
    """Where the stage begins: its directory and, for a resume, the checkpoint and the steps it has done."""

    run: RunDir
    checkpoint: Path | None = None
    steps: int = 0


def run_sft(config: SftConfig, phases: Phases | None = None) -> Path:
    """Train to the end, or resume; returns the run directory.

    Raises:
        ValueError: the user's input is wrong; raised before the run directory exists.
        Interrupted: Ctrl-C or SIGTERM; ``resume=auto`` goes on from the checkpoint it left.
        StorageError: the run directory cannot be written.
    """
    start, phases = _begin(config, phases)
    model_path, tokenizer = _load_tokenizer(config)
    examples = sft_examples(config, tokenizer)
    stage = _Stage(config, start, model_path, tokenizer, phases)
    return stage.run(lambda _: sft_columns(examples), examples, source=config.data.path)


def run_dpo(config: DpoConfig, phases: Phases | None = None) -> Path:
    """The same for pairs, which are sampled first unless a file has them; sampled ones stay in
    ``RUN/pairs.jsonl``.

    Raises:
        ValueError: the user's input is wrong, or no pair was found.
        Interrupted: as for :func:`run_sft`.
        StorageError: likewise.
    """
    start, phases = _begin(config, phases)
    if config.pairs.path is not None:
        model_path, tokenizer = _load_tokenizer(config)
        examples = examples_of_file(config.pairs, tokenizer)
        stage = _Stage(config, start, model_path, tokenizer, phases)
        return stage.run(lambda _: dpo_columns(examples), examples, source=config.pairs.path)
    from rl.stages.sampling import prepare_sampling, sample_pairs

    sampling, prepared = prepare_sampling(config)

    def columns(run: RunDir) -> dict[str, list[list[int]]]:
        kept = run.path / PAIRS
        if not kept.exists():
            phases("sampling pairs")
            write_pairs(kept, sample_pairs(config, sampling, prepared, run))
        return dpo_columns(read_pairs(kept))

    return _Stage(config, start, prepared.model_path, prepared.tokenizer, phases).run(
        columns, (), source=None
    )


def _begin(config: StageConfig, phases: Phases | None) -> tuple[StageStart, Phases]:
    """Choose the directory and say it, before anything is loaded."""
    phases = phases or Phases()
    start = choose_stage(config)
    resumed = None if start.checkpoint is None else f"step {start.steps}"
    phases(describe(start.run.path, config.run.name, resumed))
    phases("preparing the base and the rows")
    return start, phases


def choose_stage(config: StageConfig) -> StageStart:
    """Pick the run directory and the checkpoint that ``resume`` asks for; nothing is opened.

    Raises:
        ValueError: ``run.dir`` cannot be written, the checkpoint named is none, or another process holds the
            run.
    """
    run = choose_run(config.run.dir, config.run.name, config.resume)
    if config.resume.never or not run.path.is_dir():
        return StageStart(run)
    found = checkpoints_of(run.checkpoints)
    if config.resume.auto:
        steps, checkpoint = max(found, default=(0, None))
        return StageStart(run, checkpoint, steps)
    path = Path(config.resume.checkpoint)
    for steps, checkpoint in found:
        if checkpoint.resolve() == path.resolve():
            return StageStart(run, checkpoint, steps)
    raise ValueError(
        f"resume: {path} is not a complete checkpoint (a directory checkpoints/checkpoint-N of a run)"
    )


def _load_tokenizer(config: StageConfig) -> tuple[Path, Any]:
    model_path = locate_model(config)
    trust = trusts_code(config.model)
    tokenizer = load_tokenizer(model_path, trust=trust)
    check_base(model_path, tokenizer, trust=trust)
    return model_path, tokenizer


@dataclass(frozen=True, slots=True)
class _Stage:
    """One start of a stage, from its rows to its model."""

    config: SftConfig | DpoConfig
    start: StageStart
    model_path: Path
    tokenizer: Any
    phases: Phases

    def run(
        self,
        columns: Callable[[RunDir], dict[str, list[list[int]]]],
        examples: Sequence[Example],
        *,
        source: str | None,
    ) -> Path:
        """Train on what ``columns`` returns once the run directory is ours; ``examples`` of the file
        ``source`` are what a resume compares."""
        fingerprint = stage_fingerprint(
            self.config,
            model_path=self.model_path,
            tokenizer=self.tokenizer,
            examples=examples,
            source=source,
        )
        planned = self.start.run
        if self.start.checkpoint is not None:
            old = Fingerprint.read(self.start.checkpoint / FILE)
            check_fingerprint(old, fingerprint, config=self.config, run=planned, final=SAVED)
        elif (planned.path / PAIRS).is_file():  # sampled by an attempt that came to no checkpoint
            old = Fingerprint.read(planned.path / FILE)
            check_fingerprint(old, fingerprint, config=self.config, run=planned)
        with StorageErrors(planned.path):
            run = open_run(planned, self.config, fingerprint, base=self.model_path)
        if run.path != planned.path:
            self.phases(f"run directory: {run.path} (another run took {planned.path.name} meanwhile)")
        try:
            with StorageErrors(
                run.path,
                advice=lambda: "Free some space there; resume=auto goes on from its newest checkpoint",
            ):
                finished = self._train(columns(run), run)
        finally:
            run.close()
        if not finished:
            raise Interrupted(f"stopped with a checkpoint in {run.path}; resume=auto goes on from there")
        return run.path

    def _train(self, columns: dict[str, list[list[int]]], run: RunDir) -> bool:
        """True if it got to the end; the model is then in ``RUN/model``."""
        from rl.stages.trainer import (
            KeepIdentity,
            Records,
            StopAtStep,
            build_trainer,
            interrupts,
            total_steps,
        )

        self.phases("loading the trainer")
        config, start = self.config, self.start
        steps = total_steps(config.trainer, rows=len(next(iter(columns.values()))))
        if start.steps > steps:
            raise ValueError(
                f"trainer: epochs and max_steps ask for {steps} steps, and {start.checkpoint} has"
                f" {start.steps} already; raise them"
            )
        trainer = build_trainer(
            config,
            columns,
            model_path=self.model_path,
            tokenizer=self.tokenizer,
            output=run.checkpoints,
            steps=steps,
        )
        set_aside_after(run.checkpoints, start.steps)
        metrics = MetricsWriter(
            run.metrics, attempt=run.begin_attempt(restored_step=start.steps), restored_step=start.steps
        )
        stop = StopAtStep()
        trainer.add_callback(stop)
        trainer.add_callback(KeepIdentity(run))
        if start.steps < steps:
            run.set_model_aside()
        self.phases("training")
        try:
            with (
                ProgressDisplay(steps, first_step=start.steps, shown=SHOWN[config.stage]) as progress,
                interrupts(stop.request),
            ):
                trainer.add_callback(Records(metrics, progress, config.stage))
                trainer.train(
                    resume_from_checkpoint=None if start.checkpoint is None else str(start.checkpoint)
                )
        finally:
            metrics.close()
        if trainer.state.global_step < steps:
            return False
        adapted = config.trainer.lora is not None
        causal_lm = trainer.model.get_base_model() if adapted else trainer.model
        _export(causal_lm, run.model, self.model_path, base=run.base)
        return True


def _export(causal_lm: Any, directory: Path, model_path: Path, *, base: Path) -> None:
    """Weights with adapters merged in, config and the base's own tokenizer files; whole or not at all."""
    from rl.learner.export import export_model

    with replaced(directory) as staging:
        export_model(
            causal_lm, staging, model_path=str(model_path), files_from=str(base), gather=False, is_writer=True
        )
