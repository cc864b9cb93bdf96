"""Parts of the objective that contradict each other, or the rest of the run."""

from collections.abc import Iterator
from pathlib import Path

from planner.verifiers.file import read_verifier
from rl.config.algorithm import (
    AlgorithmConfig,
    BrpoAdvantage,
    ClipMask,
    DualClipMask,
    Mask,
    NoImportance,
    Passk,
    ShapingConfig,
)
from rl.config.choice import OWN_CODE, OWN_CODE_FORM
from rl.config.errors import listed, suggest
from rl.config.tree import ConfigTree

BY_GROUP = ("grpo", "dr_grpo", "rloo", "max_rl", "reinforce_pp_baseline")
"""Estimators that compare the rollouts of one prompt with each other; so does the whole ``passk`` family."""
COMBINATORIAL = ("passk_s", "passk_s_loo", "passk_s_loo_minus_one", "passk_chen")
"""Estimators of pass@k that are noise where k is near the group's size."""
NO_BAND = (1e-300, 1e300)


def algorithm_problems(config: ConfigTree) -> Iterator[str]:
    """Every contradiction, with the field and the fix."""
    yield from _group_problems(config)
    yield from _ratio_problems(config.algorithm)
    yield from _kl_problems(config)
    yield from _pass_k_problems(config)
    yield from _planner_problems(config.algorithm)
    yield from _shaping_problems(config.algorithm)
    yield from _stage_problems(config)


def compares_within_groups(algorithm: AlgorithmConfig) -> bool:
    """True if a group of one has advantage 0 everywhere (the last column of the table in
    ``docs/objectives.md``)."""
    advantage = algorithm.advantage
    if isinstance(advantage, BrpoAdvantage):
        return advantage.budgets.baseline == "group"
    return advantage.name in BY_GROUP or isinstance(advantage, Passk)


def _group_problems(config: ConfigTree) -> Iterator[str]:
    if config.stream.rollouts_per_prompt == 1 and compares_within_groups(config.algorithm):
        yield (
            f"stream.rollouts_per_prompt: algorithm.advantage={config.algorithm.advantage.name} compares the"
            " rollouts of a prompt with each other, and with 1 of them every advantage is 0: nothing would"
            " train. Raise it (8 is usual), or take an algorithm without such a baseline"
            " (algorithm=reinforce_pp or ppo)"
        )


def _ratio_problems(algorithm: AlgorithmConfig) -> Iterator[str]:
    if not isinstance(algorithm.importance, NoImportance) and algorithm.reference == "behavior":
        yield (
            "algorithm.importance: with algorithm.reference=behavior the ratio already corrects for the"
            " sampler, and would do so twice; set algorithm.reference=proximal, or algorithm.importance=none"
        )
    yield from _clip_problems(algorithm.mask)
    for field in ("token_band", "sequence_band"):
        low, high = getattr(algorithm, field) or NO_BAND
        if low >= high:
            yield (
                f"algorithm.{field}: the bounds are crossed, ({low:g}, {high:g}); give (low, high) with low <"
                " 1 < high"
            )
        elif not low < 1 < high:
            yield (
                f"algorithm.{field}: ({low:g}, {high:g}) leaves out 1, the ratio of a fresh token; give low <"
                " 1 < high"
            )


def _clip_problems(mask: Mask) -> Iterator[str]:
    if isinstance(mask, ClipMask | DualClipMask) and mask.clip_low >= 1:
        yield (
            f"algorithm.mask.clip_low: {mask.clip_low:g} puts the ratio's floor at {1 - mask.clip_low:g},"
            " which no ratio reaches; use less than 1, or algorithm.mask=none"
        )
    if isinstance(mask, DualClipMask) and mask.dual_clip <= 1 + mask.clip_high:
        yield (
            f"algorithm.mask.dual_clip: {mask.dual_clip} must exceed 1 + algorithm.mask.clip_high ="
            f" {1 + mask.clip_high:g}, or it would clip what the first clip allows"
        )


def _kl_problems(config: ConfigTree) -> Iterator[str]:
    kl, lora = config.algorithm.kl, config.learner.lora
    if kl is None:
        return
    if kl.place == "loss" and kl.estimator == "k1":
        yield (
            "algorithm.kl.estimator: the gradient of k1 is 0 on average, so it is no loss; use k2 or k3, or "
            "algorithm.kl.place=reward"
        )
    if kl.policy == "adapter_off" and lora is None:
        yield (
            "algorithm.kl.policy: adapter_off needs an adapter to switch off; set learner.lora, or"
            " algorithm.kl.policy=copy"
        )


def _pass_k_problems(config: ConfigTree) -> Iterator[str]:
    advantage, group = config.algorithm.advantage, config.stream.rollouts_per_prompt
    if not isinstance(advantage, Passk):
        return
    if advantage.k > group:
        yield (
            f"algorithm.advantage.k: pass@{advantage.k} cannot be estimated from"
            f" stream.rollouts_per_prompt={group}; lower the first or raise the second"
        )
    elif advantage.name in COMBINATORIAL and advantage.k > group / 2:
        yield (
            f"algorithm.advantage.k: above half of stream.rollouts_per_prompt={group} the {advantage.name}"
            " estimator loses most of its gradient; use algorithm.advantage=passk, which takes the"
            " posterior-weight form there, or lower k"
        )


def _planner_problems(algorithm: AlgorithmConfig) -> Iterator[str]:
    planner = algorithm.planner
    if planner is None:
        return
    if algorithm.pass_k > 1:
        yield (
            f"algorithm.advantage.k: {algorithm.pass_k} is not read, since algorithm.advantage.planner sets"
            " every prompt's k; leave it at 1"
        )
    if planner.verifier_file is not None:
        try:
            read_verifier(Path(planner.verifier_file))
        except ValueError as error:
            yield f"algorithm.advantage.planner.verifier_file: {error}"
        if (planner.verifier_fpr, planner.verifier_tpr) != (0.0, 1.0):
            yield (
                "algorithm.advantage.planner.verifier_file: gives both rates; leave verifier_fpr and"
                " verifier_tpr out"
            )
    if planner.verifier_fpr >= planner.verifier_tpr:
        yield (
            f"algorithm.advantage.planner.verifier_fpr: {planner.verifier_fpr} is not below"
            f" algorithm.advantage.planner.verifier_tpr={planner.verifier_tpr}; such verdicts say nothing"
            " about an answer"
        )


def _shaping_problems(algorithm: AlgorithmConfig) -> Iterator[str]:
    # Imported here: the parts need torch, which reading a config must not.
    from rl.config.shaping_names import SHAPING_ARGS

    for index, part in enumerate(algorithm.shaping):
        if OWN_CODE.fullmatch(part.name):
            continue
        if part.name not in SHAPING_ARGS:
            hint = suggest(part.name, SHAPING_ARGS)
            yield (
                f"algorithm.shaping[{index}].name: {part.name!r} is unknown.{hint} Choices:"
                f" {listed([*SHAPING_ARGS, OWN_CODE_FORM])}"
            )
            continue
        required, optional = SHAPING_ARGS[part.name]
        unknown = sorted(set(part.args) - required - optional)
        missing = sorted(required - set(part.args))
        if unknown:
            yield (
                f"algorithm.shaping[{index}].args: {part.name} takes no {unknown[0]!r}; it takes"
                f" {listed(required | optional)}"
            )
        if missing:
            yield f"algorithm.shaping[{index}].args: {part.name} needs {missing[0]!r}"
        yield from _overlong_problems(index, part)


def _overlong_problems(index: int, part: ShapingConfig) -> Iterator[str]:
    """Find settings that would divide by a buffer of nothing, or reward the overlong."""
    if part.name != "overlong":
        return
    share, penalty = part.args.get("buffer_share", 1.0), part.args.get("penalty", 0.0)
    if isinstance(share, str) or not 0 < share <= 1:
        yield (
            f"algorithm.shaping[{index}].args.buffer_share: {share} is no share of rollout.max_tokens; use"
            " (0, 1]"
        )
    if isinstance(penalty, str) or penalty < 0:
        yield (
            f"algorithm.shaping[{index}].args.penalty: {penalty} would reward long completions; give 0 or"
            " more"
        )


def _stage_problems(config: ConfigTree) -> Iterator[str]:
    algorithm = config.algorithm
    if algorithm.demonstrations is not None and isinstance(algorithm.advantage, BrpoAdvantage):
        yield (
            "algorithm.demonstrations: algorithm.advantage=brpo scores what was sampled at every thinking"
            " budget, which a demonstration has none of; set algorithm.demonstrations=null"
        )
    group = config.stream.rollouts_per_prompt
    if algorithm.demonstrations is not None and algorithm.demonstrations.gate >= group:
        yield (
            f"algorithm.demonstrations.gate: {algorithm.demonstrations.gate} switches every group of "
            f"stream.rollouts_per_prompt={group}; lower it (for nothing but demonstrations there is t2rl sft)"
        )
    if isinstance(algorithm.advantage, BrpoAdvantage):
        if algorithm.kl is not None and algorithm.kl.place == "reward":
            yield (
                "algorithm.kl.place: algorithm.advantage=brpo takes its rewards from right answers at"
                " thinking budgets, and a penalty in the reward would be lost; set algorithm.kl.place=loss"
            )
        if algorithm.shaping:
            yield (
                "algorithm.shaping: algorithm.advantage=brpo takes its rewards from right answers at thinking"
                " budgets, which no shaping reaches; leave it out"
            )
        budgets, asked = algorithm.advantage.budgets.tokens, algorithm.advantage.budgets.summary_tokens
        if len(budgets) < 2 or list(budgets) != sorted(set(budgets)):
            yield (
                f"algorithm.advantage.budgets.tokens: {list(budgets)} must be at least two rising numbers of"
                " thinking tokens"
            )
        elif budgets[-1] > config.rollout.max_tokens:
            yield (
                f"algorithm.advantage.budgets.tokens: no thinking reaches {budgets[-1]} tokens with"
                f" rollout.max_tokens={config.rollout.max_tokens}; lower the last budget or raise the limit"
            )
        elif budgets[-1] + asked > config.rollout.max_model_len:
            yield (
                f"algorithm.advantage.budgets.tokens: {budgets[-1]} thinking tokens and an answer of"
                f" {asked} do not fit into"
                f" rollout.max_model_len={config.rollout.max_model_len}"
            )
