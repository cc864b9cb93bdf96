"""From the curriculum's plan to groups that an engine can sample."""

from collections.abc import Callable, Sequence

import numpy as np

from curricula.base import Plan
from curricula.stack import CurriculumStack
from rl.config.schema import Config
from rl.stream.plans import GroupState, PlanState, new_groups
from rollout.types import Prompt, SamplingConfig


class GroupSource:
    """Draws the groups of a plan: the plan itself in round 0, replacements for dropped groups later."""

    def __init__(
        self,
        *,
        config: Config,
        prompts: Sequence[Prompt],
        curriculum: CurriculumStack,
        with_length_budget: Callable[[Prompt, int], Prompt] | None,
    ) -> None:
        """``prompts`` are the pool's, in its order; ``with_length_budget`` writes a length budget, in tokens,
        into a prompt (None: no prompt shows one)."""
        self._prompts = prompts
        self._curriculum = curriculum
        self._with_length_budget = with_length_budget
        self._rollouts_per_prompt = config.stream.rollouts_per_prompt
        self._steps = config.run.steps
        self._seed = config.run.seed
        rollout = config.rollout
        self._sampling = SamplingConfig(
            temperature=rollout.temperature,
            top_p=rollout.top_p,
            max_tokens=rollout.max_tokens,
            ignore_eos=rollout.ignore_eos,
        )

    def draw(self, plan: PlanState, *, num_prompts: int) -> list[GroupState]:
        """Groups of ``num_prompts`` prompts for the plan's present round, waiting to be sampled."""
        drawn = self._ask(plan, num_prompts)
        limits = self._or_limit(drawn.max_tokens, len(drawn.prompt_indices))
        return new_groups(
            plan_step=plan.step,
            refill_round=plan.refill_round,
            prompts=self._prompts_of(drawn),
            num_rollouts=[int(n) for n in drawn.num_rollouts],
            max_tokens=limits,
            sampling=self._sampling,
            run_seed=self._seed,
        )

    def _ask(self, plan: PlanState, num_prompts: int) -> Plan:
        budget = num_prompts * self._rollouts_per_prompt
        if plan.refill_round == 0:
            return self._curriculum.plan(
                plan.step, total_steps=self._steps, num_prompts=num_prompts, rollout_budget=budget
            )
        return self._curriculum.refill(
            plan.step, round=plan.refill_round, num_prompts=num_prompts, rollout_budget=budget
        )

    def _prompts_of(self, drawn: Plan) -> list[Prompt]:
        prompts = [self._prompts[i] for i in drawn.prompt_indices]
        if self._with_length_budget is None:
            return prompts
        shown = self._or_limit(drawn.shown_budgets, len(prompts))
        return [
            self._with_length_budget(prompt, tokens) for prompt, tokens in zip(prompts, shown, strict=True)
        ]

    def _or_limit(self, tokens: Sequence[int] | np.ndarray | None, number: int) -> list[int]:
        """[number] the curriculum's tokens, or the run's limit where it says nothing."""
        return [self._sampling.max_tokens] * number if tokens is None else [int(t) for t in tokens]
