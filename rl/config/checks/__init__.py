"""Combinations of sections that cannot work, each with the field and the fix. All are found in one pass."""

from collections.abc import Callable, Iterator

from rl.config.checks.algorithm import algorithm_problems
from rl.config.checks.cluster import cluster_problems
from rl.config.checks.colocated import colocated_problems
from rl.config.checks.curriculum import curriculum_problems
from rl.config.checks.learner import learner_problems
from rl.config.checks.lora import lora_problems
from rl.config.checks.reward_model import reward_model_problems
from rl.config.checks.verifiers import verifiers_problems
from rl.config.curriculum_slots import weights_problems
from rl.config.secrets import secret_problems
from rl.config.tree import ConfigTree
from rollout.engine_args import engine_args_problems


def problems(config: ConfigTree) -> list[str]:
    """Every problem, worded for the user; empty when the sections fit."""
    return [problem for check in CHECKS for problem in check(config)]


def stream_problems(config: ConfigTree) -> Iterator[str]:
    """Plans, depth, mini-batches."""
    stream, learner = config.stream, config.learner
    if stream.pipeline_depth is not None and stream.pipeline_depth > stream.max_staleness:
        yield (
            f"stream.pipeline_depth: {stream.pipeline_depth} plans ahead would break"
            f" stream.max_staleness={stream.max_staleness}; lower the depth or raise the bound"
        )
    if stream.rollover_share > 0 and stream.max_staleness == 0:
        yield (
            "stream.rollover_share: late groups are a step old when they train, which stream.max_staleness=0"
            " forbids; set it to 0"
        )
    if stream.rollover_share > 0 and stream.redundant_share > 0:
        yield (
            "stream.rollover_share: with stream.redundant_share late groups join the next batch anyway; set"
            " one of the two to 0"
        )
    shares = learner.num_ranks * learner.updates_per_batch
    if stream.prompts_per_step < shares:
        yield (
            f"stream.prompts_per_step: {stream.prompts_per_step} groups are too few for learner.num_ranks x "
            f"learner.updates_per_batch = {shares}; raise it to at least {shares}"
        )


def rollout_problems(config: ConfigTree) -> Iterator[str]:
    """Lengths and sampling."""
    rollout = config.rollout
    if rollout.max_tokens >= rollout.max_model_len:
        yield (
            f"rollout.max_tokens: {rollout.max_tokens} leaves no room for a prompt in rollout.max_model_len="
            f"{rollout.max_model_len}; lower the first or raise the second"
        )
    if rollout.top_p < 1:
        yield (
            f"rollout.top_p: at {rollout.top_p} the engine's log-probs are renormalised to the nucleus, the"
            " learner's are not, so every ratio would be off; train with 1 (rollout.temperature narrows the"
            " policy)"
        )


def engine_argument_problems(config: ConfigTree) -> Iterator[str]:
    """vLLM arguments that other fields set."""
    yield from engine_args_problems(config.rollout.engine_args, device=config.rollout.device)


def evaluation_problems(config: ConfigTree) -> Iterator[str]:
    """pass@k needs k samples."""
    evaluation = config.evaluation
    too_large = [k for k in evaluation.ks if k > evaluation.samples_per_prompt]
    if too_large:
        yield (
            f"evaluation.ks: pass@{too_large[0]} cannot be estimated from evaluation.samples_per_prompt="
            f"{evaluation.samples_per_prompt}; raise the samples or drop the k"
        )
    if taken := {"held_out", "rollouts"} & set(evaluation.suites):
        yield f"evaluation.suites: {taken.pop()} is a name of the run's own files; choose another"
    if evaluation.engines and config.rollout.weight_transfer not in ("shm", "object"):
        yield (
            f"evaluation.engines: they take weights by shm or object, and rollout.weight_transfer is"
            f" {config.rollout.weight_transfer}; set it to one of them, or the engines to 0"
        )
    if evaluation.engines and config.checkpoint.keep_best:
        yield (
            "evaluation.engines: checkpoint.keep_best judges a checkpoint when it is written, and evaluations"
            " beside the training come later; set one of the two to 0 or false"
        )


def checkpoint_problems(config: ConfigTree) -> Iterator[str]:
    """The best checkpoint is the best of those that are evaluated."""
    checkpoint, every = config.checkpoint, config.evaluation.every
    if checkpoint.keep_best and (not checkpoint.every or not every or checkpoint.every % every):
        yield (
            f"checkpoint.keep_best: the checkpoints of checkpoint.every={checkpoint.every} are not all"
            f" evaluated with evaluation.every={every}; set evaluation.every to checkpoint.every, or to a"
            " divisor of it"
        )


def precision_problems(config: ConfigTree) -> Iterator[str]:
    """Number formats of engine and learner."""
    rollout, learner = config.rollout, config.learner
    if rollout.dtype == "float16" and (learner.dtype == "bfloat16" or rollout.device == "cpu"):
        yield (
            "rollout.dtype: float16 overflows on weights trained in bfloat16 and is not for CPUs; use"
            " bfloat16 or float32"
        )


def secrets_in_files(config: ConfigTree) -> Iterator[str]:
    """Secrets that every file of the run would show."""
    yield from secret_problems(config.model_dump(mode="json"))


CHECKS: tuple[Callable[[ConfigTree], Iterator[str]], ...] = (
    stream_problems,
    rollout_problems,
    engine_argument_problems,
    evaluation_problems,
    checkpoint_problems,
    algorithm_problems,
    precision_problems,
    learner_problems,
    lora_problems,
    weights_problems,
    curriculum_problems,
    reward_model_problems,
    verifiers_problems,
    cluster_problems,
    colocated_problems,
    secrets_in_files,
)
