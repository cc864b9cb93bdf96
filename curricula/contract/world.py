"""The small world that parts are checked in: pools of known pass rates, a stack around one part, and what it
chose."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from curricula.base import Curriculum, FilterDecision, Plan, overrides
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.pool import PromptPool
from curricula.simulation.learners import CurveLearner
from curricula.simulation.outcomes import Outcomes
from curricula.simulation.rows import SimulatedPool, pool_of
from curricula.simulation.simulate import Schedule, Simulation
from curricula.stack import CurriculumStack
from rollout.statistics import StatisticsStore
from rollout.types import RolloutGroup, SamplingConfig

SAMPLING = SamplingConfig(max_tokens=64)
STEPS = 12
SLOT_OF = {
    "draw": "sampler",
    "category_logits": "category",
    "prompt_logits": "prompts",
    "skip": "skip",
    "allocate": "allocator",
    "length_budget": "length",
    "shape": "shape",
    "filter_group": "verdict",
}
RATES: tuple[Any, ...] = (0.0, 1.0, 0.5, [0.0, 0.6], [0.3, 1.0], 0.9, 0.05)


def mixed_pool(size: int = 56, categories: int = 4) -> SimulatedPool:
    """Solved, unsolvable, steady and moving prompts, spread over categories and levels."""
    return pool_of(
        {
            "id": f"p{i}",
            "category": "abcdefgh"[i % categories],
            "difficulty": i % 3,
            "pass_rate": RATES[i % len(RATES)],
            "length": 4 + i % 40,
            "metadata": {"skills": ["add", "carry", "units"][: 1 + i % 3], "angle": i * 37 % size / size},
        }
        for i in range(size)
    )


def flat_pool(rate: float) -> SimulatedPool:
    """One category, one pass rate: all solved, or none."""
    return pool_of(
        {"id": f"p{i}", "pass_rate": rate, "length": 8, "metadata": {"angle": i / 24}} for i in range(24)
    )


@dataclass(slots=True)
class Choices:
    """The decisions of one run of the world."""

    plans: list[tuple[list[int], list[int], list[int] | None]] = field(default_factory=list)
    """Prompts, rollouts, token limits of every plan and refill."""
    decisions: list[tuple[int, FilterDecision]] = field(default_factory=list)
    """By group id."""
    metrics: list[dict[str, float]] = field(default_factory=list)


class RecordingStack(CurriculumStack):
    """A stack that writes down its answers, and asks for what the controller asks for besides plans and
    filter decisions."""

    choices: Choices

    def _make_plan(self, *args: Any, **kwargs: Any) -> Plan:
        plan = super()._make_plan(*args, **kwargs)
        limits = None if plan.max_tokens is None else plan.max_tokens.tolist()
        self.choices.plans.append((plan.prompt_indices.tolist(), plan.num_rollouts.tolist(), limits))
        return plan

    def filter_group(self, group: RolloutGroup) -> FilterDecision:
        """Also shapes the reward and asks for token advantages."""
        self.shape(group)
        self.token_advantages(group.plan_step, [group])
        decision = super().filter_group(group)
        self.choices.decisions.append((group.group_id, decision))
        return decision


def stack_around(
    part: Curriculum, pool: SimulatedPool, *, seed: int = 0, lag: int = 0
) -> tuple[RecordingStack, StatisticsStore]:
    """The part in its slot, neutral parts elsewhere."""
    prompts = PromptPool.from_prompts(pool.prompts)
    store = StatisticsStore(prompts.ids, sampling_key=SAMPLING.key)
    slots: dict[str, Curriculum] = {"sampler": UniformSampler(), "allocator": EqualAllocator()}
    slots[next((slot for hook, slot in SLOT_OF.items() if overrides(part, hook)), "shape")] = part
    for hook, slot in (("draw", "sampler"), ("allocate", "allocator")):
        if overrides(part, hook) and slots[slot] is not part:
            del slots[slot]
    stack = RecordingStack(slots, pool=prompts, store=store, seed=seed, lag=lag)
    stack.choices = Choices()
    return stack, store


def drive(
    stack: RecordingStack,
    pool: SimulatedPool,
    *,
    steps: int,
    first: int = 0,
    rollouts: int = 8,
    seed: int = 0,
) -> Choices:
    """Plans ``first .. steps - 1`` of a run of ``STEPS``, with refills; returns everything that the stack
    decided so far."""
    size = max(1, min(8, len(pool.prompts) // 2))
    schedule = Schedule(steps=STEPS, prompts_per_step=size, rollouts_per_prompt=rollouts, refill_rounds=2)
    simulation = Simulation(
        stack,
        outcomes=Outcomes(pool, sampling=SAMPLING, seed=seed),
        learner=CurveLearner(pool.pass_rates),
        schedule=schedule,
        num_prompts=len(pool.prompts),
        first_step=first,
    )
    for _ in range(first, steps):
        stack.choices.metrics.append(dict(simulation.step()["metrics"]))
    return stack.choices


def saved(stack: CurriculumStack, store: StatisticsStore) -> str:
    """Both states as text, as a checkpoint would hold them."""
    return json.dumps([stack.state_dict(), store.state_dict()])


def restored(make: Callable[[], Curriculum], pool: SimulatedPool, text: str, *, lag: int) -> RecordingStack:
    """A fresh stack around a fresh part, loaded from ``saved``."""
    stack, store = stack_around(make(), pool, lag=lag)
    states: list[Mapping[str, Any]] = json.loads(text)
    store.load_state_dict(states[1])
    stack.load_state_dict(states[0])
    return stack


def budgets(count: int, *, floor: int, cap: int | None) -> list[int]:
    """Budgets for ``count`` prompts from the tightest to the loosest."""
    low, high = count * max(floor, 1), count * (cap if cap is not None else 64)
    return sorted(
        {low, min(low + 1, high), min(low + count // 2 + 1, high), min(8 * count, high), high}
        - {b for b in (8 * count,) if b < low}
    )
