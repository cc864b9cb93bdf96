"""A simulation from a curriculum section, a pool and a schedule."""

from collections.abc import Mapping
from typing import Any, Literal

from curricula import build_curriculum
from curricula.pool import PromptPool
from curricula.simulation.learners import CurveLearner, LogisticLearner, SimulatedLearner
from curricula.simulation.outcomes import Outcomes
from curricula.simulation.rows import SimulatedPool
from curricula.simulation.simulate import Schedule, Simulation
from rollout.statistics import StatisticsStore
from rollout.types import SamplingConfig

LearnerKind = Literal["curves", "logistic"]


def build_simulation(
    curriculum: Mapping[str, Any],
    *,
    pool: SimulatedPool,
    schedule: Schedule,
    seed: int,
    sampling: SamplingConfig,
    learner: LearnerKind = "curves",
    rate: float = 1.0,
) -> Simulation:
    """Stack, store and learner for one run.

    Args:
        curriculum: ``CurriculumConfig.model_dump()``.
        pool: prompts with their pass rates.
        schedule: steps, sizes, staleness, refills.
        seed: of plans and outcomes.
        sampling: its ``max_tokens`` bounds every completion.
        learner: ``curves`` follows the pool's pass rates, ``logistic`` starts from their first values and
            learns.
        rate: of the logistic learner.

    Raises:
        ValueError: as ``build_curriculum``.
    """
    prompts = PromptPool.from_prompts(pool.prompts)
    discounts = {name: curriculum[name] for name in ("discount", "budget_discount") if name in curriculum}
    store = StatisticsStore(prompts.ids, sampling_key=sampling.key, **discounts)
    stack = build_curriculum(
        curriculum,
        pool=prompts,
        store=store,
        seed=seed,
        lag=schedule.max_staleness,
        max_tokens=sampling.max_tokens,
    )
    trained: SimulatedLearner = (
        LogisticLearner(pool.pass_rates, prompts, rate=rate)
        if learner == "logistic"
        else CurveLearner(pool.pass_rates)
    )
    outcomes = Outcomes(pool, sampling=sampling, seed=seed)
    return Simulation(stack, outcomes=outcomes, learner=trained, schedule=schedule, num_prompts=len(prompts))
