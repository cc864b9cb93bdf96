"""Advantage estimators. A new one is one file and one line here.

Most look at whole samples (``(samples, config) -> [S]``) and give every token of a sample the same; ``gae``,
``reinforce_pp`` and ``brpo`` look at tokens. A group that says nothing (one member, equal rewards) gets
exactly 0 from the former; ``gae`` and ``reinforce_pp`` have no baseline from the group, and
``reinforce_pp_baseline`` takes the batch's mean off afterwards.
"""

from collections.abc import Callable

from rl.config.algorithm import AlgorithmConfig
from rl.objective.advantages.brpo import brpo
from rl.objective.advantages.dr_grpo import dr_grpo
from rl.objective.advantages.estimate import Estimate, every_token
from rl.objective.advantages.gae import gae
from rl.objective.advantages.grpo import grpo
from rl.objective.advantages.max_rl import max_rl
from rl.objective.advantages.passk import chen, passk, s, s_loo, s_loo_minus_one, weight_form
from rl.objective.advantages.reinforce_pp import reinforce_pp, reinforce_pp_baseline
from rl.objective.advantages.rloo import rloo
from rl.objective.samples import Samples, Tokens

AdvantageFunction = Callable[[Samples, Tokens, AlgorithmConfig], Estimate]

ADVANTAGES: dict[str, AdvantageFunction] = {
    "grpo": every_token(grpo),
    "dr_grpo": every_token(dr_grpo),
    "rloo": every_token(rloo),
    "max_rl": every_token(max_rl),
    "reinforce_pp": reinforce_pp,
    "reinforce_pp_baseline": reinforce_pp_baseline,
    "gae": gae,
    "passk": every_token(passk),
    "passk_s": every_token(s),
    "passk_s_loo": every_token(s_loo),
    "passk_s_loo_minus_one": every_token(s_loo_minus_one),
    "passk_chen": every_token(chen),
    "passk_weight": every_token(weight_form),
    "brpo": brpo,
}
