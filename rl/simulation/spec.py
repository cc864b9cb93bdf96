"""A training system in figures: what ``t2rl simulate`` reads, and what ``t2rl simulate calibrate`` writes.

Seconds are of one device, engine or rank unless said otherwise. See docs/scale.md for where each figure comes
from.
"""

from dataclasses import replace
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from planner.cost.devices import device
from planner.cost.flops import ModelShape
from planner.cost.measured import MeasuredCost, StepWork
from planner.cost.roofline import Server
from planner.cost.serving import ServingCost
from rl.config.base import Section


class PlanSpec(Section):
    """The demand of a training step; the names are those of a run's ``stream`` section."""

    prompts_per_step: PositiveInt = 32
    rollouts_per_prompt: PositiveInt = 16
    max_staleness: NonNegativeInt = 1
    """Weight updates that a token may be old when it is trained; 0 is synchronous."""
    pipeline_depth: NonNegativeInt | None = None
    """Plans ahead of the confirmed weights; None = ``max_staleness``."""
    push_at_share: float = Field(default=0.25, ge=0, le=1)
    """With one plan ahead, new weights wait until so large a share of a plan's rollouts is left."""
    keep_share: float = Field(default=1.0, gt=0, le=1)
    """Chance that the curriculum keeps a finished group."""
    refill_rounds: NonNegativeInt = 0
    """Rounds in which dropped groups are replaced."""
    rollover_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of a plan's groups that may go to the next plan for being late."""
    oversample: NonNegativeFloat = 0.0
    """Groups drawn beyond those needed, as a share; the latest are cut off, as by ``stream.redundant_share``
    where they would be too old for the next batch."""
    order: Literal["plan", "arrival"] = "plan"
    """``plan``: batch s is plan s, as T2RL trains. ``arrival``: the first groups to finish, whatever their
    plan, and those that grew too old are thrown away, as other systems do."""


class LengthSpec(Section):
    """Tokens of prompts and of completions."""

    prompt_tokens: NonNegativeFloat = 100.0
    """Mean of a prompt."""
    recorded: tuple[tuple[PositiveInt, ...], ...] = ()
    """Completion lengths of recorded groups, one tuple a group; drawn again group by group."""
    median: PositiveFloat = 500.0
    """Median of the log-normal that lengths come from where none are recorded."""
    sigma: NonNegativeFloat = 0.6
    """Standard deviation of the logarithm of a length: 0 makes all equal, 1 is a heavy tail."""
    prompt_share: float = Field(default=0.5, ge=0, le=1)
    """Share of that variance that lies between prompts, not between the rollouts of one."""
    max_tokens: PositiveInt = 8192
    """Longer completions are cut off here (``rollout.max_tokens``)."""


class StepSeconds(Section):
    """Seconds of an engine's step, one for each unit of ``planner.cost.measured.StepWork``; also what
    ``t2rl bench --to`` writes as ``cost.seconds_for_each``."""

    steps: NonNegativeFloat = 0.0
    """Seconds of any step."""
    sampled: NonNegativeFloat = 0.0
    """For each sequence in it."""
    context: NonNegativeFloat = 0.0
    """For each token of keys and values that is read."""
    roots: NonNegativeFloat = 0.0
    """For each square root of the number of sequences."""
    prompt_tokens: NonNegativeFloat = 0.0
    """For each prompt token that is prefilled."""
    prompt_squares: NonNegativeFloat = 0.0
    prefills: NonNegativeFloat = 0.0


class ShapeSpec(Section):
    """A model's shape, as ``planner.cost.flops.ModelShape`` wants it."""

    params: PositiveFloat
    """Without embeddings; of a mixture of experts those that a token uses."""
    layers: PositiveInt
    attention_width: PositiveInt
    kv_width: PositiveInt
    width: PositiveInt
    vocabulary: PositiveInt
    embedding_params: NonNegativeFloat = 0.0


class HardwareSpec(Section):
    """Roofline figures in place of measured seconds: an assumption until a run replaces it."""

    device: str = "h100_sxm"
    """A name of ``planner/cost/devices.yaml``."""
    model: ShapeSpec
    mfu: float = Field(default=0.35, gt=0, le=1)
    """Share of its peak that the learner reaches; an assumption."""


class EngineSpec(Section):
    """The rollout side."""

    count: PositiveInt = 1
    gpus: PositiveFloat = 1.0
    """Devices of one engine (tensor parallel)."""
    max_num_seqs: PositiveInt = 256
    kv_tokens: NonNegativeInt = 0
    """Tokens that the cache of one engine holds; 0 = no limit. Beyond it the youngest sequence waits again
    and its tokens are prefilled anew."""
    seconds: StepSeconds = StepSeconds()
    """Measured; read where ``hardware`` is not given."""
    overhead_s: NonNegativeFloat = 0.0
    """From the last token of a group until the controller has it."""
    fixed_s: NonNegativeFloat = 0.0
    """Work that an idle engine does before its first token: the plan is drawn and the requests arrive."""


class LearnerSpec(Section):
    """The training side."""

    ranks: PositiveInt = 1
    gpus: PositiveFloat = 1.0
    """Devices of one rank."""
    step_s: NonNegativeFloat = 0.0
    """Seconds of any step, whatever its size and however many ranks there are."""
    update_s: NonNegativeFloat = 0.0
    """Seconds of each optimizer update."""
    token_s: NonNegativeFloat = 0.0
    """Seconds of one token (prompts included) on one rank, all its forward and backward passes together."""
    updates_per_batch: PositiveInt = 1
    reduce_s: NonNegativeFloat = 0.0
    """Seconds of each update, with more than one rank: what the gradients' exchange does not hide."""
    other_s: NonNegativeFloat = 0.0
    """Seconds of each turn of the loop, beside everything else."""


class SyncSpec(Section):
    """Weights on their way."""

    publish_s: NonNegativeFloat = 0.0
    """The learner waits for it."""
    push_s: NonNegativeFloat = 0.0
    """An engine stands still for it; all at the same time."""
    every: PositiveInt = 1
    """Training steps between two pushes."""
    in_flight: bool = True
    """Running sequences go on under new weights; off: an engine finishes them first."""
    prefill_again: bool = True
    """Keys and values of running sequences are computed anew after a push."""


class VerifierSpec(Section):
    """The pool that judges completions, first come first served."""

    workers: PositiveInt = 1
    seconds: NonNegativeFloat = 0.0
    """Seconds of one completion."""


class LayoutSpec(Section):
    """Who shares a device with whom."""

    kind: Literal["split", "colocated", "hybrid", "cores"] = "split"
    """``split``: engines and learner have devices of their own. ``colocated``: they take turns on the
    learner's. ``hybrid``: ``shared_engines`` take turns, the others have their own. ``cores``: all processes
    share the cores of one machine."""
    shared_engines: NonNegativeInt = 0
    switch_s: NonNegativeFloat = 0.0
    """Engines sleep and the learner comes back, or the other way round."""
    cores: PositiveFloat = 2.0
    """Read with kind ``cores``."""


class FaultSpec(Section):
    """Failures and stragglers, and their price."""

    gpu_mtbf_hours: NonNegativeFloat = 0.0
    """Mean time between failures of one device; 0 = nothing fails."""
    engine_recovery_s: NonNegativeFloat = 120.0
    """Until a lost engine serves the current weights; its groups are sampled again elsewhere."""
    restart_s: NonNegativeFloat = 600.0
    """Until a run that lost a learner device trains again from its last checkpoint."""
    slow_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the engines that are stragglers."""
    slow_factor: float = Field(default=1.0, ge=1)
    """How many times as long a straggler takes."""
    jitter: NonNegativeFloat = 0.0
    """Standard deviation of the logarithm of the learner's seconds."""


class CheckpointSpec(Section):
    """The state that a failure of the learner goes back to."""

    every: NonNegativeInt = 0
    """Steps; 0 = none."""
    save_s: NonNegativeFloat = 0.0
    """The learner stands still for it."""


class SystemSpec(Section):
    """One training system."""

    stage: Literal["simulate"] = "simulate"
    note: str = ""
    """Where the figures come from."""
    plan: PlanSpec = PlanSpec()
    lengths: LengthSpec = LengthSpec()
    engines: EngineSpec = EngineSpec()
    learner: LearnerSpec = LearnerSpec()
    sync: SyncSpec = SyncSpec()
    verifiers: VerifierSpec = VerifierSpec()
    layout: LayoutSpec = LayoutSpec()
    faults: FaultSpec = FaultSpec()
    checkpoint: CheckpointSpec = CheckpointSpec()
    hardware: HardwareSpec | None = None
    """Roofline in place of ``engines.seconds`` and ``learner.token_s``; None = those are measured."""
    price_per_gpu_hour: NonNegativeFloat = 0.0
    """USD; 0 = the list price of ``hardware.device``."""

    @model_validator(mode="after")
    def _can_run(self) -> "SystemSpec":
        """Refuse a system that would wait for ever, or take no time, by the name of the field."""
        plan, layout, engines = self.plan, self.layout, self.engines
        if self.depth < self.sync.every - 1:
            raise ValueError(
                f"plan.max_staleness is {self.depth} and sync.every {self.sync.every}: no push would come"
                f" before the plans run out; set plan.max_staleness to {self.sync.every - 1} or more"
            )
        if layout.kind == "hybrid" and not 0 < layout.shared_engines < engines.count:
            raise ValueError(
                f"layout.shared_engines is {layout.shared_engines} of {engines.count} engines: a hybrid has"
                " some of each; set it between 1 and engines.count - 1, or layout.kind=split|colocated"
            )
        if self.hardware is None and not any(engines.seconds.model_dump().values()):
            raise ValueError(
                "engines.seconds: all are 0, so engines would take no time; give engines.seconds.steps=..."
                " (t2rl bench and t2rl simulate calibrate measure them), or a hardware section"
            )
        if self.hardware is not None:
            device(self.hardware.device)
        if plan.order == "arrival" and (plan.rollover_share or plan.oversample):
            raise ValueError(
                "plan.order=arrival takes groups as they finish: leave out plan.rollover_share and"
                " plan.oversample"
            )
        return self

    @property
    def depth(self) -> int:
        """Plans that may be ahead of the confirmed weights."""
        plan = self.plan
        return plan.max_staleness if plan.pipeline_depth is None else plan.pipeline_depth

    @property
    def rollouts(self) -> int:
        """Rollouts that a step asks for."""
        return self.plan.prompts_per_step * self.plan.rollouts_per_prompt

    @property
    def gpus(self) -> float:
        """Devices held; those that engines and learner share count once."""
        engines, learner = self.engines.count * self.engines.gpus, self.learner.ranks * self.learner.gpus
        if self.layout.kind == "colocated":
            return max(engines, learner)
        if self.layout.kind == "hybrid":
            shared = self.layout.shared_engines * self.engines.gpus
            return engines - shared + max(shared, learner)
        return engines + learner

    def engine_cost(self) -> ServingCost:
        """Seconds of an engine's steps."""
        if self.hardware is None:
            return MeasuredCost(coefficients=StepWork(**self.engines.seconds.model_dump()))
        shape = ModelShape(**self.hardware.model.model_dump())
        one, gpus = device(self.hardware.device), self.engines.gpus
        return Server(shape=shape, device=replace(one, peak=one.peak * gpus, bandwidth=one.bandwidth * gpus))

    def train_s(self, tokens: float) -> float:
        """Seconds of the update on a batch of so many tokens, prompts included."""
        learner = self.learner
        per_token = learner.token_s
        if self.hardware is not None:
            peak = device(self.hardware.device).peak * self.hardware.mfu * learner.gpus
            per_token = 6 * self.hardware.model.params / peak
        per_update = learner.update_s + (learner.reduce_s if learner.ranks > 1 else 0.0)
        return learner.step_s + per_update * learner.updates_per_batch + per_token * tokens / learner.ranks

    @property
    def usd_per_gpu_hour(self) -> float:
        """The price asked for, else the device's of ``hardware``, else 0."""
        if self.price_per_gpu_hour or self.hardware is None:
            return self.price_per_gpu_hour
        return device(self.hardware.device).usd_per_hour
