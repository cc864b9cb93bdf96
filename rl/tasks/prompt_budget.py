"""Prompts that say how long their answer may be: ``{budget}`` in a task's template, filled in when a plan is
drawn.

Prompts are tokenised once, before training, but a length budget moves. So the few prompts of a plan are
tokenised again, in the way that gave them their tokens in the first place; pool, ids and answers stay what
they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rl.config.task_mixture import parts_of
from rl.tasks.base import Tokenizer
from rl.tasks.encoding import prompt_ids
from rollout.types import Prompt

if TYPE_CHECKING:
    from rl.config.schema import Config

PLACEHOLDER = "{budget}"
FIELDS = ("prompt_template", "system_prompt", "instruction")
"""Fields of the task section in which a template may stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptBudget:
    """Fills budgets into prompts."""

    tokenizer: Tokenizer
    max_prompt_tokens: int

    def __call__(self, prompt: Prompt, tokens: int) -> Prompt:
        """The prompt that names ``tokens``.

        Raises:
            ValueError: it is longer than a prompt may be, or its tokens cannot be made again.
        """
        text = prompt.text.replace(PLACEHOLDER, str(tokens))
        (ids,) = prompt_ids(self.tokenizer, [text], from_template=self._from_template(prompt))
        if len(ids) > self.max_prompt_tokens:
            raise ValueError(
                f"prompt {prompt.id} has {len(ids)} tokens with a budget of {tokens} in it, more than the"
                f" {self.max_prompt_tokens} that fit; raise rollout.max_model_len or lower rollout.max_tokens"
            )
        return replace(prompt, text=text, token_ids=ids)

    def _from_template(self, prompt: Prompt) -> bool:
        """How the prompt got its tokens; a task may hold prompts of both kinds."""
        for from_template in (True, False):
            if prompt_ids(self.tokenizer, [prompt.text], from_template=from_template) == [prompt.token_ids]:
                return from_template
        raise ValueError(
            f"task: {PLACEHOLDER} needs prompts that can be tokenised again, and {prompt.id} came out"
            " differently"
        )


def prompt_budget(config: "Config", tokenizer: Any, prompts: Sequence[Prompt]) -> PromptBudget | None:
    """Return what fills ``{budget}`` in; None if the task's template does not ask for it.

    Raises:
        ValueError: the longest prompt does not fit with the run's limit in it, or a prompt's tokens cannot be
            made again.
    """
    sections = parts_of(config.task).values()
    if not any(PLACEHOLDER in str(getattr(one, field, None)) for one in sections for field in FIELDS):
        return None
    longest = max(prompts, key=lambda prompt: len(prompt.token_ids))
    fill = PromptBudget(
        tokenizer=tokenizer, max_prompt_tokens=config.rollout.max_model_len - config.rollout.max_tokens
    )
    fill(longest, config.rollout.max_tokens)
    return fill


def final_budget(config: "Config") -> int:
    """The budget that the last step's prompts name, which held-out prompts name too; the run's limit without
    a length part."""
    import numpy as np

    from curricula import build_part
    from curricula.base import Ctx
    from curricula.pool import PromptPool
    from rollout.statistics import StatisticsStore

    spec, limit = config.curriculum.length, config.rollout.max_tokens
    if spec is None:
        return limit
    pool = PromptPool.from_prompts([Prompt(id="last", text="", token_ids=(0,), answer="")])
    store = StatisticsStore(pool.ids, sampling_key="none")
    steps = config.run.steps
    ctx = Ctx(
        step=steps - 1, total_steps=steps, seed=config.run.seed, pool=pool, store=store, max_tokens=limit
    )
    shown = build_part("length", spec.name, spec.args).shown_budget(ctx, np.arange(1))
    return limit if shown is None else int(shown[0])
