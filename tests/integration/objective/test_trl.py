"""Where TRL 1.16 has the same formula, its code and ours give the same loss and gradient on the same
rollouts.

From rewards to gradient on both sides: TRL's ``_generate_and_score_completions`` (advantages, importance
ratios, reference) and ``_compute_loss`` against ``plan_update`` and the estimator. TRL wants groups of one
size. It knows two policies beside the current one: the sampler's (vLLM) and the one at the start of the
batch; where our preset's ratio is to the sampler, TRL is given the sampler's log-probs as its old ones.
MaxRL, Kimi's, the pass@k family, BRPO, HPT and PPO have no counterpart in 1.16.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from trl import GRPOConfig, RLOOConfig

from rl.config.load import load_config
from tests.integration.objective.trl_replay import ReplayedGRPO, ReplayedRLOO
from tests.unit.objective.oracle_case import MAX_TOKENS, Case, make_case
from tests.unit.objective.oracle_ours import ours

SIZES = (6, 6, 6, 6)
ALIKE = {"rtol": 1e-5, "atol": 1e-6}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The same objective in both projects' words."""

    ours: list[str]
    trl: dict[str, Any]
    case: dict[str, Any] = field(default_factory=dict)
    overlong_cache: int | None = None


HIGHER = {"epsilon": 0.2, "epsilon_high": 0.28}
OFF_POLICY = {"use_vllm": True, "vllm_importance_sampling_correction": True, **HIGHER, "loss_type": "dapo"}
PAIRS = {
    # TRL's name for one denominator over all tokens is dapo; bnpo's is the micro-batch's, which is all of it
    # here.
    "grpo": Pair(ours=["algorithm=grpo"], trl={"loss_type": "dapo", **HIGHER}),
    "grpo, bnpo": Pair(ours=["algorithm=grpo"], trl={"loss_type": "bnpo", **HIGHER}),
    "grpo, as published": Pair(
        ours=["algorithm=grpo", "algorithm.aggregation=sequence", "algorithm.mask.clip_high=0.2"],
        trl={"loss_type": "grpo", "epsilon": 0.2},
    ),
    # TRL's default also weighs the KL term by the ratio (DeepSeek-V3.2), which we have not.
    "grpo with k3 to the reference": Pair(
        ours=["algorithm=grpo", "algorithm.kl.coefficient=0.3"],
        trl={"loss_type": "dapo", **HIGHER, "beta": 0.3, "use_bias_correction_kl": False},
    ),
    "grpo with a ceiling for negative advantages": Pair(
        ours=["algorithm=grpo", "algorithm.mask=dual_clip", "algorithm.mask.dual_clip=1.4"],
        trl={"loss_type": "dapo", **HIGHER, "delta": 1.4},
    ),
    # TRL's length counts every completion token, ours those with a loss, hence no tool tokens.
    "dapo": Pair(
        ours=["algorithm=dapo"],
        trl={"loss_type": "dapo", **HIGHER},
        case={"tools": False},
        overlong_cache=MAX_TOKENS // 5,
    ),
    "dr_grpo": Pair(
        ours=["algorithm=dr_grpo"],
        trl={
            "loss_type": "dr_grpo",
            "epsilon": 0.2,
            "scale_rewards": "none",
            "max_completion_length": MAX_TOKENS,
        },
    ),
    "gspo": Pair(
        ours=["algorithm=gspo"],
        trl={
            "loss_type": "grpo",
            "importance_sampling_level": "sequence",
            "epsilon": 3e-4,
            "epsilon_high": 4e-4,
        },
    ),
    # TRL's epsilon_high is the ceiling itself, ours what it exceeds 1 by.
    "cispo": Pair(ours=["algorithm=cispo"], trl={"loss_type": "cispo", "epsilon_high": 5.0}),
    "grpo_tis": Pair(
        ours=["algorithm=grpo_tis"],
        trl=OFF_POLICY
        | {
            "vllm_importance_sampling_mode": "token_truncate",
            "vllm_importance_sampling_clip_max": 2.0,
        },
    ),
    "icepop": Pair(
        ours=["algorithm=icepop"],
        trl=OFF_POLICY
        | {
            "vllm_importance_sampling_mode": "token_mask",
            "vllm_importance_sampling_clip_min": 0.5,
            "vllm_importance_sampling_clip_max": 5.0,
        },
    ),
    "sequence importance": Pair(
        ours=["algorithm=grpo_tis", "algorithm.importance=sequence"],
        trl=OFF_POLICY
        | {
            "vllm_importance_sampling_mode": "sequence_truncate",
            "vllm_importance_sampling_clip_max": 2.0,
        },
    ),
}


def arguments(kind: type, folder: Path, **more: Any) -> Any:
    fixed = {"output_dir": str(folder), "use_cpu": True, "bf16": False, "report_to": [], "beta": 0.0}
    one_step = {
        "per_device_train_batch_size": sum(SIZES),
        "num_generations": SIZES[0],
        "gradient_accumulation_steps": 1,
    }
    return kind(**fixed | one_step | more)


def tables(case: Case) -> dict[str, tuple[torch.Tensor, bool]]:
    """Update -> (policy, is it the first of its batch)."""
    return {"first": (case.start, True), "later": (case.moved, False)}


@pytest.mark.parametrize("update", ["first", "later"])
@pytest.mark.parametrize("name", sorted(PAIRS))
def test_grpo_trainer(name: str, update: str, tmp_path: Path) -> None:
    pair = PAIRS[name]
    config = load_config("quickstart", pair.ours).algorithm
    case = make_case(config, sizes=SIZES, **pair.case)
    policy, first = tables(case)[update]
    trainer = ReplayedGRPO(
        case, arguments(GRPOConfig, tmp_path, **pair.trl), overlong_cache=pair.overlong_cache
    )
    inputs = trainer.prepared()
    if config.reference == "behavior":
        inputs["old_per_token_logps"] = inputs["sampling_per_token_logps"]
    loss, gradient = trainer.loss_and_gradient(policy, inputs)
    got = ours(case, config, first=first)
    assert got.loss == pytest.approx(loss, rel=1e-5, abs=1e-6)
    torch.testing.assert_close(got.policy, gradient, **ALIKE)
    assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_rloo_trainer(beta: float, tmp_path: Path) -> None:
    """On-policy, without a clip that binds: TRL's ratio of the whole answer is 1 there, its gradient that of
    log p.

    Ours divides by ``samples * max_tokens``, TRL by the samples, hence the factor; the losses' values differ
    (TRL's is the mean of -A). TRL has no importance weights here. Its KL is k1 in the reward, summed over the
    answer, as ours with ``kl.place=reward``.
    """
    on = ["algorithm.kl.place=reward", "algorithm.kl.estimator=k1", f"algorithm.kl.coefficient={beta}"]
    kl = on if beta else ["algorithm.kl=null"]
    config = load_config("quickstart", ["algorithm=rloo", "algorithm.importance=none", *kl]).algorithm
    case = make_case(config, sizes=SIZES, tools=False, stale=False)
    trainer = ReplayedRLOO(case, arguments(RLOOConfig, tmp_path, beta=beta))
    _, gradient = trainer.loss_and_gradient(case.start, trainer.prepared())
    torch.testing.assert_close(ours(case, config, first=True).policy * MAX_TOKENS, gradient, **ALIKE)
    assert gradient.abs().max() > 1e-3
