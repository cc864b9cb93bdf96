"""A small pool with its statistics, for tests of single parts. Not a test."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from curricula.base import Ctx, Curriculum, overrides
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.pool import PromptPool
from curricula.stack import CurriculumStack
from rollout.statistics import StatisticsStore
from rollout.types import Prompt, RolloutStat, SamplingConfig

KEY = SamplingConfig().key
SLOTS = {
    "draw": "sampler",
    "category_logits": "category",
    "prompt_logits": "prompts",
    "allocate": "allocator",
}


@dataclass(slots=True, kw_only=True)
class World:
    """``size`` prompts p0, p1, ...; prompt i in category ``"abc"[i % 3]``, of difficulty i % 4."""

    size: int = 24
    metadata: Callable[[int], dict[str, object]] = lambda i: {}
    discount: float = 1.0
    pool: PromptPool = field(init=False)
    store: StatisticsStore = field(init=False)

    def __post_init__(self) -> None:
        prompts = [
            Prompt(
                id=f"p{i}",
                text="",
                token_ids=(1,),
                answer="",
                category="abc"[i % 3],
                difficulty=i % 4,
                metadata=self.metadata(i),
            )
            for i in range(self.size)
        ]
        self.pool = PromptPool.from_prompts(prompts)
        self.store = self.new_store()

    def new_store(self) -> StatisticsStore:
        return StatisticsStore(self.pool.ids, sampling_key=KEY, discount=self.discount)

    def ctx(self, step: int = 0, **changes: int) -> Ctx:
        facts = {"step": step, "total_steps": 12, "seed": 0, **changes}
        return Ctx(pool=self.pool, store=self.store, **facts)

    def stat(self, index: int, *, n: int, correct: int, step: int = 0) -> RolloutStat:
        return RolloutStat(
            plan_step=step,
            prompt_id=f"p{index}",
            category="abc"[index % 3],
            difficulty=index % 4,
            sampling_key=KEY,
            num_rollouts=n,
            num_correct=correct,
            num_truncated=0,
            num_tokens=5 * n,
            min_policy_version=step,
            max_policy_version=step,
            kept=0 < correct < n,
        )

    def observe(self, part: Curriculum, stats: Sequence[RolloutStat], *, step: int = 0) -> None:
        """As the stack does: the store first, then the part."""
        for stat in stats:
            self.store.add(stat)
        part.observe(self.ctx(step), stats)

    def stack(
        self, parts: Sequence[Curriculum], *, lag: int = 0, store: StatisticsStore | None = None
    ) -> CurriculumStack:
        """Each part in the slot of the hook it answers; neutral ones elsewhere."""
        slots: dict[str, Curriculum] = {"sampler": UniformSampler(), "allocator": EqualAllocator()}
        for part in parts:
            slots[next(slot for hook, slot in SLOTS.items() if overrides(part, hook))] = part
        return CurriculumStack(slots, pool=self.pool, store=store or self.new_store(), seed=0, lag=lag)


def chosen_and_sizes(
    world: World, make: Callable[[], list[Curriculum]], *, steps: int, cut: int | None = None, lag: int = 0
) -> list[tuple[list[int], list[int]]]:
    """Plans of a run; saved, thrown away and restored before plan ``cut``. Prompt i succeeds with probability
    i / (size - 1)."""
    store = world.new_store()
    stack, plans, out = world.stack(make(), lag=lag, store=store), {}, []
    for step in range(steps):
        if step == cut:
            saved = json.loads(json.dumps({"stack": stack.state_dict(), "store": store.state_dict()}))
            store = world.new_store()
            store.load_state_dict(saved["store"])
            stack = world.stack(make(), lag=lag, store=store)
            stack.load_state_dict(saved["stack"])
            assert stack.state_dict() == saved["stack"]
        plans[step] = stack.plan(step, total_steps=steps, num_prompts=6, rollout_budget=54)
        out.append((plans[step].prompt_indices.tolist(), plans[step].num_rollouts.tolist()))
        if step - lag in plans:
            done = plans[step - lag]
            stats = []
            for index, n in zip(done.prompt_indices.tolist(), done.num_rollouts.tolist(), strict=True):
                correct = int(np.random.default_rng([index, step]).binomial(n, index / (world.size - 1)))
                stats.append(world.stat(index, n=n, correct=correct, step=step - lag))
            stack.observe(step - lag, stats)
    return out
