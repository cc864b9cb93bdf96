"""The loss of every preset, derived again from its paper in float64, sample by sample and token by token.

Nothing here imports ``rl.objective``; of the config an oracle reads numbers (clip bounds, k, coefficients)
alone. It maps ``(problem, config)`` to the loss that the policy minimises, [] float64 with a gradient. A new
preset needs a line here.
"""

from collections.abc import Callable

import torch

from rl.config.algorithm import AlgorithmConfig
from tests.unit.objective.oracles.batch_level import ppo, ppo_values, reinforce_pp, reinforce_pp_baseline
from tests.unit.objective.oracles.grouped import dapo, dr_grpo, grpo, max_rl
from tests.unit.objective.oracles.off_policy import cispo, grpo_tis, icepop
from tests.unit.objective.oracles.passk import passk, passk_chen, passk_s, passk_s_loo, planner_loop
from tests.unit.objective.oracles.problem import Problem
from tests.unit.objective.oracles.sequence_level import gspo, kimi, rloo
from tests.unit.objective.oracles.special_rollouts import brpo, hpt

Oracle = Callable[[Problem, AlgorithmConfig], torch.Tensor]

ORACLES: dict[str, Oracle] = {
    "brpo": brpo,
    "cispo": cispo,
    "dapo": dapo,
    "dr_grpo": dr_grpo,
    "grpo": grpo,
    "grpo_tis": grpo_tis,
    "gspo": gspo,
    "hpt": hpt,
    "icepop": icepop,
    "kimi": kimi,
    "max_rl": max_rl,
    "passk": passk,
    "passk_chen": passk_chen,
    "passk_s": passk_s,
    "passk_s_loo": passk_s_loo,
    "planner_loop": planner_loop,
    "ppo": ppo,
    "reinforce_pp": reinforce_pp,
    "reinforce_pp_baseline": reinforce_pp_baseline,
    "rloo": rloo,
}

CRITIC_ORACLES: dict[str, Oracle] = {"ppo": ppo_values}
"""The critic's loss, of presets with one."""
