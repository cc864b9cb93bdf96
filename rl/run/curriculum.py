"""The curriculum and the statistics of a run, as its config says."""

from collections.abc import Sequence

from curricula import build_curriculum
from curricula.pool import PromptPool
from curricula.stack import CurriculumStack
from rl.config.curriculum_slots import curriculum_slots
from rl.config.schema import Config
from rollout.statistics import StatisticsStore
from rollout.types import Prompt, SamplingConfig


def assemble(config: Config, prompts: Sequence[Prompt]) -> tuple[CurriculumStack, StatisticsStore]:
    """Both empty; a resume loads the store's state first, then the stack's."""
    rollout = config.rollout
    pool = PromptPool.from_prompts(prompts)
    sampling = SamplingConfig(
        temperature=rollout.temperature,
        top_p=rollout.top_p,
        max_tokens=rollout.max_tokens,
        ignore_eos=rollout.ignore_eos,
    )
    discounts = {"discount": config.curriculum.discount, "budget_discount": config.curriculum.budget_discount}
    store = StatisticsStore(pool.ids, sampling_key=sampling.key, **discounts)
    stack = build_curriculum(
        curriculum_slots(config),
        pool=pool,
        store=store,
        seed=config.run.seed,
        lag=config.stream.max_staleness,
        max_tokens=rollout.max_tokens,
    )
    return stack, store
