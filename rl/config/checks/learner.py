"""What DeepSpeed cannot combine, and settings of the learner that nothing would read."""

from collections.abc import Iterator

from rl.config.deepspeed_options import option_problems
from rl.config.learner import LearnerConfig
from rl.config.tree import ConfigTree

READ_BY = {
    "schedule_decay_share": ("schedule", ("wsd", "power")),
    "schedule_decay_shape": ("schedule", ("wsd", "power")),
    "schedule_exponent": ("schedule", ("power",)),
    "schedule_phi": ("schedule", ("uba",)),
    "muon_lr": ("optimizer", ("muon",)),
    "muon_momentum": ("optimizer", ("muon",)),
    "offload_path": ("offload_optimizer or learner.offload_parameters", ("nvme",)),
}
"""Fields that only some choice of another one reads."""


def learner_problems(config: ConfigTree) -> Iterator[str]:
    """Every contradiction, with the field and the fix."""
    yield from _unread(config.learner)
    yield from _schedule_problems(config)
    yield from _muon_problems(config.learner)
    yield from _offload_problems(config.learner)
    yield from _sequence_problems(config.learner)
    yield from _packing_problems(config.learner)
    yield from option_problems(config.learner.deepspeed)


def _unread(learner: LearnerConfig) -> Iterator[str]:
    defaults = LearnerConfig()
    chosen = {learner.schedule, learner.optimizer, learner.offload_optimizer, learner.offload_parameters}
    for field, (where, readers) in READ_BY.items():
        if getattr(learner, field) != getattr(defaults, field) and not chosen & set(readers):
            yield (
                f"learner.{field}: only learner.{where}={'|'.join(readers)} reads it; set that, or leave"
                f" learner.{field} out"
            )


def _schedule_problems(config: ConfigTree) -> Iterator[str]:
    learner = config.learner
    updates = config.run.steps * learner.updates_per_batch
    if learner.schedule != "constant" and learner.warmup_steps >= updates:
        yield (
            f"learner.warmup_steps: {learner.warmup_steps} leave nothing of run.steps x"
            f" learner.updates_per_batch = {updates} for learner.schedule={learner.schedule}; lower it"
        )


def _muon_problems(learner: LearnerConfig) -> Iterator[str]:
    if learner.optimizer != "muon":
        return
    whole = learner.zero_stage == 0 or (learner.dtype == "bfloat16" and learner.zero_stage == 1)
    if learner.grad_clip and not whole:
        yield (
            f"learner.grad_clip: with learner.optimizer=muon at learner.zero_stage={learner.zero_stage}"
            " DeepSpeed would clip Muon's orthogonalised step, not the gradient; set learner.grad_clip=0"
            " (neither Muon nor AdamW depends on the scale of the gradient), or learner.zero_stage=0"
        )
    if learner.offload_optimizer != "none" or learner.offload_parameters != "none":
        yield (
            "learner.optimizer: muon has not been made to work with offloading; use adamw, or offload nothing"
        )


def _offload_problems(learner: LearnerConfig) -> Iterator[str]:
    for field, stages in (("offload_optimizer", (1, 2, 3)), ("offload_parameters", (3,))):
        device = getattr(learner, field)
        if device == "none":
            continue
        if learner.device == "cpu":
            yield (
                f"learner.{field}: {device} takes memory off a GPU, and learner.device=cpu has none; set it"
                " to none"
            )
        if device == "nvme":
            stages = (3,)  # below, DeepSpeed takes nvme for cpu without a word
        if learner.zero_stage not in stages:
            needed = " or ".join(map(str, stages))
            yield (
                f"learner.{field}: {device} needs learner.zero_stage={needed}, not {learner.zero_stage};"
                f" raise the stage, or set learner.{field}=none"
            )
        if device == "nvme" and learner.offload_path is None:
            yield f"learner.{field}: nvme needs learner.offload_path, a directory on that device"


def _sequence_problems(learner: LearnerConfig) -> Iterator[str]:
    if learner.sequence_parallel == 1:
        return
    if learner.device == "cpu":
        yield (
            f"learner.sequence_parallel: {learner.sequence_parallel} exchanges attention heads between GPUs;"
            " on CPU leave it at 1 and lower learner.micro_batch_tokens instead"
        )
    elif learner.packing != "varlen":
        yield (
            "learner.sequence_parallel: DeepSpeed's Ulysses takes one row at a time; set"
            " learner.packing=varlen"
        )
    if learner.num_ranks % learner.sequence_parallel:
        yield (
            f"learner.sequence_parallel: {learner.sequence_parallel} does not divide"
            f" learner.num_ranks={learner.num_ranks}; use a divisor"
        )


def _packing_problems(learner: LearnerConfig) -> Iterator[str]:
    if learner.packing != "varlen":
        return
    if learner.device == "cpu":
        yield (
            "learner.packing: varlen is packed flash attention and needs learner.device=cuda; use buckets"
            " on CPU"
        )
    elif learner.dtype == "float32":
        yield (
            "learner.packing: varlen is packed flash attention, whose kernels know half precision only, and"
            " learner.dtype=float32; set learner.dtype=bfloat16, or learner.packing=buckets"
        )
