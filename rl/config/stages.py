"""The stages before RLVR: ``t2rl sft`` (supervised), ``t2rl dpo`` (preferences). A config's ``stage`` says
which one it is of."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from rl.config.base import Section
from rl.config.learner import Decay, LoraConfig
from rl.config.model import ModelConfig
from rl.config.resume import ResumeConfig
from rl.config.secrets import secret_problems
from rl.config.sections import CheckpointConfig, ClusterConfig, PathName, RolloutConfig
from rl.config.tree import TaskConfig


class StageRunConfig(Section):
    """Identity of the run."""

    name: PathName = "stage"
    """Directory under ``dir``. If it is taken, a new run gets ``NAME-2``, ``NAME-3``, ..."""
    dir: str = Field(default="runs", min_length=1)
    """Where run directories go."""
    seed: NonNegativeInt = 0
    """Order of the rows, initial LoRA weights, sampled pairs."""


class TrainerConfig(Section):
    """Optimizer and batches, in the words of the learner section; TRL's trainer does the work, in one
    process."""

    epochs: PositiveFloat = 1.0
    """Passes over the rows."""
    max_steps: PositiveInt | None = None
    """Optimizer steps at most; None = what ``epochs`` asks for."""
    batch_size: PositiveInt = 32
    """Rows (pairs) of one optimizer step."""
    micro_batch_size: PositiveInt | None = None
    """Rows of one forward-backward; must divide ``batch_size``, which is its default."""
    lr: PositiveFloat = 1e-3
    """Peak rate of AdamW."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    """To 0 after ``warmup_steps``, except ``constant``."""
    warmup_steps: NonNegativeInt = 0
    """Optimizer steps of linear rise."""
    betas: tuple[Decay, Decay] = (0.9, 0.95)
    """AdamW's decay of its two moments."""
    eps: PositiveFloat = 1e-8
    """AdamW's floor of the root of the second moment."""
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled."""
    grad_clip: NonNegativeFloat = 1.0
    """Global norm; 0 = off."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the arithmetic; weights are float32 either way, and saved as such."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the trainer runs."""
    gradient_checkpointing: bool = False
    """Compute activations again instead of keeping them: less memory, a third more time."""
    lora: LoraConfig | None = None
    """Trains adapters instead of the whole base; None = the whole base."""
    num_threads: PositiveInt = 1
    """Torch threads on CPU."""

    @model_validator(mode="after")
    def _batches_divide(self) -> "TrainerConfig":
        if self.micro_batch_size is not None and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"micro_batch_size={self.micro_batch_size} must divide batch_size={self.batch_size}; choose a"
                " divisor, or leave it out"
            )
        return self


class RowsConfig(Section):
    """The common settings of both stages' rows: where they are, and how their prompts become text."""

    path: str | None = None
    """JSONL or Parquet file, or dataset directory."""
    chat: bool = False
    """Send string prompts as user messages through the tokenizer's chat template. Messages always go through
    it."""
    system_prompt: str | None = None
    """First message of every chat that has no system message of its own."""
    prompt_template: str = "{prompt}"
    """Wrapped around string prompts and the last user message of a chat; give the one of the RLVR run's task,
    so that the policy meets the prompts that it knows."""
    continue_final_message: bool = False
    """A prompt that ends with a message of the assistant is continued there; without it such a prompt is an
    error."""
    max_tokens: PositiveInt = 1024
    """Prompt and completion together, the end token included; a longer row is an error."""
    limit: PositiveInt | None = None
    """Only the first rows."""

    @model_validator(mode="after")
    def _template_has_a_place(self) -> "RowsConfig":
        if "{prompt}" not in self.prompt_template:
            raise ValueError("prompt_template must contain {prompt}, where the row's prompt goes")
        return self


class SftColumns(Section):
    """Which column holds what."""

    prompt: str = "prompt"
    """A string, or chat messages."""
    completion: str = "completion"
    """A string, or a list of one assistant message."""
    messages: str = "messages"
    """A whole chat that ends with the assistant's answer, instead of the other two. Only that answer is
    trained on."""


class SftDataConfig(RowsConfig):
    """Rows {prompt, completion} or {messages}; without ``path``, the train prompts of ``task`` with their
    demonstrations."""

    columns: SftColumns = SftColumns()
    """Names of the columns."""


class PairColumns(Section):
    """Which column holds what."""

    prompt: str = "prompt"
    """A string, or chat messages."""
    chosen: str = "chosen"
    """The completion to prefer."""
    rejected: str = "rejected"
    """The completion to avoid."""


class PairsConfig(RowsConfig):
    """Rows {prompt, chosen, rejected}; without ``path``, pairs are sampled from the model and judged by the
    task's reward."""

    columns: PairColumns = PairColumns()
    """Names of the columns."""
    prompts: PositiveInt = 400
    """Train prompts of ``task`` to sample at."""
    samples_per_prompt: int = Field(default=8, ge=2)
    """Attempts at each, at ``rollout.temperature``."""
    per_prompt: PositiveInt = 2
    """Pairs of one prompt at most: one right and one wrong completion each, none used twice."""


class StageConfig(Section):
    """The common settings of both stages."""

    run: StageRunConfig = StageRunConfig()
    """Name, directory and seed of the run."""
    model: ModelConfig
    """The base that is trained."""
    task: TaskConfig | None = None
    """Where prompts come from that no file gives; None = rows from a file alone."""
    trainer: TrainerConfig = TrainerConfig()
    """Optimizer and batches."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """Checkpoints: what survives a kill."""
    resume: ResumeConfig = ResumeConfig()
    """``never`` | ``auto`` (newest checkpoint of the run, if any) | a checkpoint directory."""

    @model_validator(mode="after")
    def _no_held_out_set(self) -> "StageConfig":
        checkpoint = self.checkpoint
        own = {"keep_best", "keep_hours", "background", "at_end"}
        if any(getattr(checkpoint, name) != type(checkpoint).model_fields[name].default for name in own):
            raise ValueError(
                "checkpoint: keep_best, keep_hours, background and at_end are for t2rl train; leave them at"
                " their defaults here"
            )
        return self

    @model_validator(mode="after")
    def _no_secrets_in_files(self) -> "StageConfig":
        if found := list(secret_problems(self.model_dump(mode="json"))):
            raise ValueError("\n".join(found))
        return self


class SftConfig(StageConfig):
    """Supervised fine-tuning: negative log-likelihood of completions."""

    stage: Literal["sft"] = "sft"
    """``t2rl sft``."""
    data: SftDataConfig = SftDataConfig()
    """The rows to train on."""

    @model_validator(mode="after")
    def _has_rows(self) -> "SftConfig":
        if self.data.path is None and self.task is None:
            raise ValueError("no data: set data.path=FILE, or a task whose train prompts have demonstrations")
        return self


class DpoConfig(StageConfig):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290)."""

    stage: Literal["dpo"] = "dpo"
    """``t2rl dpo``."""
    beta: PositiveFloat = 0.1
    """How dearly the policy pays for leaving the model it starts from."""
    pairs: PairsConfig = PairsConfig()
    """The preferences to train on."""
    rollout: RolloutConfig = RolloutConfig()
    """For sampled pairs."""
    cluster: ClusterConfig = ClusterConfig()
    """For sampled pairs."""

    @model_validator(mode="after")
    def _has_pairs(self) -> "DpoConfig":
        if self.pairs.path is None and self.task is None:
            raise ValueError("no pairs: set pairs.path=FILE, or a task to sample them at")
        return self

    @model_validator(mode="after")
    def _has_no_dropout(self) -> "DpoConfig":
        if self.trainer.lora is not None and self.trainer.lora.dropout:
            raise ValueError(
                "trainer.lora.dropout: preferences are measured against a reference without dropout, and TRL"
                " switches it off; set it to 0"
            )
        return self
