"""TRL's trainers on our token ids: arguments, the two trainers, and what hangs on to them while they run."""

import logging
import math
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from huggingface_hub import constants as hub
from transformers import AutoConfig, AutoModelForCausalLM, PrinterCallback, TrainerCallback
from transformers.utils.logging import disable_progress_bar
from trl import DPOConfig as TrlDpoConfig
from trl import DPOTrainer, SFTConfig, SFTTrainer

from rl.config.learner import LearnerConfig
from rl.config.model import trusts_code
from rl.config.stages import DpoConfig, StageConfig, TrainerConfig
from rl.learner.dropout import silence_config
from rl.learner.model import attention_for, peft_config
from rl.learner.names import adopt_names
from rl.records.metrics import MetricsWriter
from rl.records.progress import ProgressDisplay
from rl.records.rundir import RunDir
from rl.run.base_files import keep_identity

logger = logging.getLogger(__name__)

# TRL reports each trainer that is built to the Hub, and nobody asked the user
hub.HF_HUB_DISABLE_TELEMETRY = True

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
NAMES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "lr",
    "epoch": "epoch",
    "entropy": "entropy",
    "num_tokens": "total_tokens",
    "mean_token_accuracy": "token_accuracy",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "rewards/margins": "reward_margin",
    "rewards/accuracies": "pair_accuracy",
    "logps/chosen": "logprob_chosen",
    "logps/rejected": "logprob_rejected",
}
"""TRL's figure -> ours, after ``sft/`` or ``dpo/``; a reward is ``beta`` times the log-ratio to the
reference, in nats."""


class PairTrainer(DPOTrainer):
    """DPO on rows that are token ids already; TRL would tokenise text, and across the border of prompt and
    completion."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset


def build_trainer(
    config: StageConfig,
    columns: Mapping[str, list[list[int]]],
    *,
    model_path: Path,
    tokenizer: Any,
    output: Path,
    steps: int,
) -> SFTTrainer | DPOTrainer:
    """A trainer that has not started; checkpoints go to ``output``, ``steps`` is the whole stage's.

    Without adapters DPO's reference is a second copy of the model at ``model_path``; with them it is the base
    with them off.
    """
    trainer = config.trainer
    torch.set_num_threads(trainer.num_threads)
    disable_progress_bar()  # the stage has a display of its own
    if trainer.device == "cpu":
        # accelerate imports DeepSpeed, which else warns that it found no GPU
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    trust = trusts_code(config.model)
    attention = attention_for(str(model_path), LearnerConfig(), trust=trust)
    base = AutoConfig.from_pretrained(model_path, trust_remote_code=trust)
    if isinstance(config, DpoConfig):
        silence_config(
            base
            # the loss compares with a reference that has none; TRL switches off layers, but not all dropout
            # is one
        )
    model = AutoModelForCausalLM.from_pretrained(
        model_path, config=base, dtype=torch.float32, attn_implementation=attention, trust_remote_code=trust
    )
    adopt_names(model, model_path)
    rest: dict[str, Any] = {
        "model": model,
        "train_dataset": Dataset.from_dict(dict(columns)),
        "processing_class": tokenizer,
        "peft_config": None if trainer.lora is None else peft_config(trainer.lora),
    }
    shared = _arguments(config, output, steps)
    arguments: Any
    if isinstance(config, DpoConfig):
        arguments = TrlDpoConfig(**shared, trust_remote_code=trust, beta=config.beta)
    else:
        arguments = SFTConfig(**shared)
    # A stage is one process on one device. Without this TRL refuses a machine with several GPUs, which the
    # engines that sample pairs may all need.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    kind = PairTrainer if isinstance(config, DpoConfig) else SFTTrainer
    built: SFTTrainer | DPOTrainer = kind(args=arguments, **rest)
    built.remove_callback(PrinterCallback)
    return built


def total_steps(trainer: TrainerConfig, *, rows: int) -> int:
    """Optimizer steps of a stage; the last of an epoch may have fewer rows."""
    asked = math.ceil(trainer.epochs * math.ceil(rows / trainer.batch_size))
    return asked if trainer.max_steps is None else min(asked, trainer.max_steps)


def _arguments(config: StageConfig, output: Path, steps: int) -> dict[str, Any]:
    trainer, every = config.trainer, config.checkpoint.every
    micro = trainer.micro_batch_size or trainer.batch_size
    return {
        "output_dir": str(output),
        "max_steps": steps,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": trainer.batch_size // micro,
        "learning_rate": trainer.lr,
        "lr_scheduler_type": SCHEDULES[trainer.schedule],
        "warmup_steps": trainer.warmup_steps,
        "adam_beta1": trainer.betas[0],
        "adam_beta2": trainer.betas[1],
        "adam_epsilon": trainer.eps,
        "weight_decay": trainer.weight_decay,
        "max_grad_norm": trainer.grad_clip,
        "bf16": trainer.dtype == "bfloat16",
        "use_cpu": trainer.device == "cpu",
        "gradient_checkpointing": trainer.gradient_checkpointing,
        "seed": config.run.seed,
        "max_length": None,  # rows were checked: nothing is ever cut
        "logging_steps": 1,
        "save_strategy": "steps" if every else "no",
        "save_steps": every or 1,
        "save_total_limit": config.checkpoint.keep,
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
    }


class Records(TrainerCallback):
    """One row of ``metrics.jsonl`` and one turn of the display for each optimizer step."""

    def __init__(self, metrics: MetricsWriter, progress: ProgressDisplay, stage: str) -> None:
        self._metrics, self._progress, self._stage = metrics, progress, stage

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any
    ) -> None:
        """TRL logs after a step; the rows of this project carry the step's number from 0."""
        row = {f"{self._stage}/{NAMES[key]}": value for key, value in (logs or {}).items() if key in NAMES}
        if f"{self._stage}/loss" in row:  # the summary at the end has none
            self._metrics.write(state.global_step - 1, row)
            self._progress.update(state.global_step, row)


class KeepIdentity(TrainerCallback):
    """Puts into each checkpoint what the run is: config, fingerprint and the base's files."""

    def __init__(self, run: RunDir) -> None:
        self._run = run

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """TRL has just written the checkpoint."""
        keep_identity(self._run, self._run.checkpoints / f"checkpoint-{state.global_step}")


class StopAtStep(TrainerCallback):
    """After ``request`` the step in progress is finished and a checkpoint is written."""

    def __init__(self) -> None:
        self.requested = False

    def request(self) -> None:
        """Ask for it; returns at once."""
        self.requested = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Where the trainer asks whether to go on."""
        if self.requested:
            control.should_save = control.should_training_stop = True


@contextmanager
def interrupts(request: Callable[[], None]) -> Iterator[None]:
    """First Ctrl-C (or SIGTERM): ``request``. A second one falls through to the handler of before."""
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def once(number: int, _: Any) -> None:
        signal.signal(number, previous[signal.Signals(number)])
        logger.warning("interrupted: finishing the step, then writing a checkpoint (again to leave at once)")
        request()

    for number in previous:
        signal.signal(number, once)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
