"""Check for what DeepSpeed cannot combine, and for settings of the learner that nothing would read."""

from collections.abc import Iterator

from rl.config.algorithm import SeparateCriticConfig
from rl.config.deepspeed_options import option_problems
from rl.config.learner import ConstantSchedule, DilocoSync, LearnerConfig, Muon, VarlenPacking
from rl.config.tree import ConfigTree


def learner_problems(config: ConfigTree) -> Iterator[str]:
    """Every contradiction, with the field and the fix."""
    yield from _schedule_problems(config)
    yield from _muon_problems(config.learner)
    yield from _offload_problems(config.learner)
    yield from _sequence_problems(config.learner)
    yield from _packing_problems(config.learner)
    yield from option_problems(config.learner.deepspeed)
    yield from _diloco_problems(config)


def _schedule_problems(config: ConfigTree) -> Iterator[str]:
    learner = config.learner
    updates = config.run.steps * learner.updates_per_batch
    if not isinstance(learner.schedule, ConstantSchedule) and learner.warmup_steps >= updates:
        yield (
            f"learner.warmup_steps: {learner.warmup_steps} leave nothing of run.steps x"
            f" learner.updates_per_batch = {updates} for learner.schedule={learner.schedule.name}; lower it"
        )


def _muon_problems(learner: LearnerConfig) -> Iterator[str]:
    if not isinstance(learner.optimizer, Muon):
        return
    whole = learner.zero_stage == 0 or (learner.dtype == "bfloat16" and learner.zero_stage == 1)
    if learner.grad_clip and not whole:
        yield (
            f"learner.grad_clip: with learner.optimizer=muon at learner.zero_stage={learner.zero_stage}"
            " DeepSpeed would clip Muon's orthogonalised step, not the gradient; set learner.grad_clip=0"
            " (neither Muon nor AdamW depends on the scale of the gradient), or learner.zero_stage=0"
        )
    if learner.offload is not None:
        yield (
            "learner.optimizer: muon has not been made to work with offloading; use adamw, or offload nothing"
        )


def _offload_problems(learner: LearnerConfig) -> Iterator[str]:
    offload = learner.offload
    if offload is None:
        return
    if offload.optimizer == offload.parameters == "none":
        yield (
            "learner.offload: neither optimizer nor parameters go anywhere; set"
            " learner.offload.optimizer=cpu, or learner.offload=null"
        )
    if offload.path is not None and "nvme" not in (offload.optimizer, offload.parameters):
        yield (
            "learner.offload.path: only learner.offload.optimizer or learner.offload.parameters=nvme reads"
            " it; set that, or leave learner.offload.path out"
        )
    yield from _offloaded(learner, "optimizer", offload.optimizer, stages=(1, 2, 3), path=offload.path)
    yield from _offloaded(learner, "parameters", offload.parameters, stages=(3,), path=offload.path)


def _offloaded(
    learner: LearnerConfig, what: str, device: str, *, stages: tuple[int, ...], path: str | None
) -> Iterator[str]:
    field = f"learner.offload.{what}"
    if device == "none":
        return
    if learner.device == "cpu":
        yield (
            f"{field}: {device} takes memory off a GPU, and learner.device=cpu has none; set"
            " learner.offload=null"
        )
    if device == "nvme":
        stages = (3,)  # below, DeepSpeed takes nvme for cpu without a word
    if learner.zero_stage not in stages:
        needed = " or ".join(map(str, stages))
        yield (
            f"{field}: {device} needs learner.zero_stage={needed}, not {learner.zero_stage}; raise the"
            f" stage, or set {field}=none"
        )
    if device == "nvme" and path is None:
        yield f"{field}: nvme needs learner.offload.path, a directory on that device"


def _sequence_problems(learner: LearnerConfig) -> Iterator[str]:
    if learner.num_ranks % learner.sequence_parallel:
        yield (
            f"learner.packing.sequence_parallel: {learner.sequence_parallel} does not divide"
            f" learner.num_ranks={learner.num_ranks}; use a divisor"
        )


def _packing_problems(learner: LearnerConfig) -> Iterator[str]:
    if not isinstance(learner.packing, VarlenPacking):
        return
    if learner.device == "cpu":
        yield (
            "learner.packing: varlen is packed flash attention and needs learner.device=cuda; use buckets"
            " on CPU"
        )
    elif learner.dtype != "bfloat16":
        yield (
            "learner.packing: varlen is packed flash attention, whose kernels know half precision only, and"
            f" learner.dtype={learner.dtype} gives them float32; set learner.dtype=bfloat16, or"
            " learner.packing=buckets"
        )


def _diloco_problems(config: ConfigTree) -> Iterator[str]:
    learner, sync = config.learner, config.learner.sync
    if not isinstance(sync, DilocoSync):
        return
    field, kl = "learner.sync", config.algorithm.kl
    if learner.num_ranks < 2:
        yield f"{field}: diloco is for replicas, and learner.num_ranks=1 has one; raise it, or use gradients"
    if learner.zero_stage:
        yield (
            f"{field}: with diloco every rank holds a model of its own, and learner.zero_stage="
            f"{learner.zero_stage} would divide it; set learner.zero_stage=0"
        )
    if learner.dtype == "bfloat16":
        yield (
            f"{field}: diloco moves float32 weights, which learner.dtype=bfloat16 keeps inside DeepSpeed; use"
            " float32 or autocast"
        )
    if learner.sequence_parallel > 1 or learner.offload is not None:
        yield (
            f"{field}: diloco works with neither learner.packing.sequence_parallel nor learner.offload; leave"
            " them out"
        )
    if config.rollout.weight_transfer != "shm":
        yield (
            f"{field}: diloco publishes outer weights through files, not by rollout.weight_transfer="
            f"{config.rollout.weight_transfer}; use shm"
        )
    if isinstance(config.algorithm.critic, SeparateCriticConfig):
        yield (
            f"{field}: a critic of its own would stay apart on every replica; use"
            " algorithm.advantage.critic=shared, or learner.sync=gradients"
        )
    if kl is not None and kl.adaptive is not None:
        yield (
            f"{field}: each replica would adapt a KL coefficient of its own; leave algorithm.kl.adaptive out"
        )
    for budget in ("wall_clock_s", "rollout_token_budget"):
        if getattr(config.run, budget) is not None:
            yield (
                f"run.{budget}: with diloco what was trained since the last exchange would be in no model,"
                " because nobody knows which batch is the last; set run.steps, and leave it out"
            )
    if sync.fragments > sync.every:
        yield (
            f"{field}.fragments: {sync.fragments} parts do not each have a batch of their own in"
            f" {field}.every={sync.every}; lower it"
        )
    if sync.overlap >= sync.every:
        yield (
            f"{field}.overlap: a part would still be under way after {sync.overlap} batches, when it is"
            f" due again ({field}.every={sync.every}); lower it"
        )
