"""The algorithm section: the four parts of the policy-gradient estimator, plus loss aggregation (DESIGN, "Objective")."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat

from rl.config.base import Section


class AlgorithmConfig(Section):
    """A named preset is a YAML file that fills these in."""

    name: str = "grpo"
    mask: Literal["none", "clip", "dual_clip"] = "clip"
    """Stabilisation mask: which tokens keep their gradient."""
    clip_low: PositiveFloat = 0.2
    """Ratio floor is 1 - clip_low."""
    clip_high: PositiveFloat = 0.28
    """Ratio ceiling is 1 + clip_high (clip-higher when larger than clip_low)."""
    dual_clip: PositiveFloat = 10.0
    """Ratio ceiling for negative advantages, ``mask=dual_clip`` only."""
    reference: Literal["behavior", "proximal", "current"] = "behavior"
    """Denominator of the ratio: the sampler, the learner's weights at the start of the step, or the detached current policy."""
    advantage: Literal["grpo", "dr_grpo"] = "grpo"
    """``grpo``: (r - mean) / (std + eps). ``dr_grpo``: r - mean."""
    likelihood: Literal["token_ratio", "truncated_weight"] = "token_ratio"
    """Where the gradient comes from: the ratio, or log p times a detached truncated weight (CISPO)."""
    importance_cap: PositiveFloat | None = 2.0
    """Truncated importance sampling: detached weight min(proximal / behaviour, cap), with ``reference=proximal``; None = off."""
    aggregation: Literal["token", "sequence", "dr_grpo"] = "token"
    """``token``: sum / global count of valid tokens. ``sequence``: mean of per-sequence means. ``dr_grpo``: sum / (samples *
    max_tokens)."""
    group_weight: Literal["sample", "prompt"] = "sample"
    """``prompt`` gives groups of unequal size equal weight."""
    max_log_ratio: PositiveFloat = 20.0
    """Clamp before exp."""
    advantage_clip: NonNegativeFloat = 0.0
    """Symmetric clip on advantages; 0 = off."""
