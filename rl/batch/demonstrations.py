"""HPT's demonstrations: a group with too few successes trains on its prompt's worked solution instead of on
its rollouts.

::

    successes <= gate, and the prompt has a demonstration
        ->  a group of one: the demonstration (negative log-likelihood)
    otherwise
        ->  the rollouts as they are (policy gradient)

Lv et al. 2025, "Towards a Unified View of Large Language Model Post-Training", arXiv 2509.04419. With gate 0,
groups of 0, 1 and 8 successes are supervised, RL, RL; with gate 2, groups of 0, 2 and 3 are supervised,
supervised, RL.

See docs/methods/objectives.md#demonstrations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rl.config.algorithm import DemonstrationConfig
from rl.stream.plans import PlanState
from rl.tasks.encoding import completion_ids
from rollout.types import (
    Completion,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutAux,
    RolloutGroup,
    VersionSpan,
)

Annotate = Callable[[list[RolloutGroup]], list[RolloutGroup]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrations:
    """The tokenised demonstrations of a run's train prompts, and the rule for using them."""

    token_ids: Mapping[str, np.ndarray]
    """Prompt id -> [L] int32, the end token included; prompts without a demonstration are absent."""
    config: DemonstrationConfig

    def switch(self, groups: Sequence[RolloutGroup]) -> list[RolloutGroup]:
        """The groups of a batch, those at or below the gate replaced; the originals are left as they are for
        the statistics."""
        return [self._shown(g) if self._below(g) and g.prompt.id in self.token_ids else g for g in groups]

    def metrics(self, plan: PlanState) -> dict[str, float]:
        """How many kept groups of the plan switched, and how many would have if their prompt had a
        demonstration."""
        below = [
            g.group.prompt.id in self.token_ids
            for g in plan.kept()
            if g.group is not None and self._below(g.group)
        ]
        return {
            "demonstrations/groups_switched": sum(below),
            "demonstrations/groups_without": len(below) - sum(below),
        }

    def _below(self, group: RolloutGroup) -> bool:
        """By what was judged; a group that nothing of was judged never gets here."""
        return group.num_correct <= self.config.gate

    def _shown(self, group: RolloutGroup) -> RolloutGroup:
        """A group of one under the same id. No policy sampled the tokens, so no version is theirs: plan s is
        trained by version s, which makes them as fresh as can be."""
        token_ids = self.token_ids[group.prompt.id]
        completion = Completion(
            token_ids=token_ids,
            behavior_logprobs=np.zeros(len(token_ids), dtype=np.float32),
            loss_mask=np.ones(len(token_ids), dtype=bool),
            spans=(VersionSpan(0, len(token_ids), group.plan_step),),
            finish_reason=FinishReason.STOP,
        )
        result = RewardResult(value=1.0, correct=True, reason="demonstration")
        rollout = Rollout(completion=completion, text=group.prompt.metadata[self.config.field], result=result)
        return replace(group, rollouts=(rollout,), demonstration=True, answers=(), aux=RolloutAux())


def with_demonstrations(annotate: Annotate, demonstrations: Demonstrations | None) -> Annotate:
    """``annotate`` over the groups that are left after the switch; ``annotate`` itself without
    demonstrations."""
    return annotate if demonstrations is None else lambda groups: annotate(demonstrations.switch(groups))


def tokenise_demonstrations(
    prompts: Sequence[Prompt], tokenizer: Any, config: DemonstrationConfig, *, max_model_len: int
) -> Demonstrations:
    """Every demonstration among the prompts' metadata, as token ids that follow the prompt's.

    Raises:
        ValueError: No prompt has one; one is no text, or does not fit behind its prompt.
    """
    shown = [p for p in prompts if p.metadata.get(config.field) is not None]
    if not shown:
        raise ValueError(
            f"algorithm.demonstrations.field: none of the {len(prompts)} train prompts has {config.field!r}"
            " in its metadata; give the rows of a file task a column of it (task.columns.demonstration, or a"
            " key of task.columns.metadata), or set algorithm.demonstrations=null. Tasks of reasoning-gym"
            " have demonstrations in task.style=compact only"
        )
    for prompt in shown:
        text = prompt.metadata[config.field]
        if not isinstance(text, str) or not text.strip():
            raise ValueError(
                f"prompt {prompt.id}: its {config.field!r} is {text!r:.40}; a demonstration must be text, or"
                " left out"
            )
    encoded = completion_ids(tokenizer, [p.metadata[config.field] for p in shown])
    for prompt, ids in zip(shown, encoded, strict=True):
        if len(prompt.token_ids) + len(ids) > max_model_len:
            raise ValueError(
                f"prompt {prompt.id}: {len(prompt.token_ids)} tokens and a demonstration of {len(ids)} do not"
                f" fit into rollout.max_model_len={max_model_len}; raise it, or leave the demonstration out"
            )
    return Demonstrations(
        token_ids={p.id: np.array(ids, dtype=np.int32) for p, ids in zip(shown, encoded, strict=True)},
        config=config,
    )
