"""Answers at several thinking budgets, for BRPO: after a group is sampled, each thinking is cut at every
budget and answered there.

::

    thinking ──► cut at b_1, b_2, ... ──► prompt + cut thinking + end marker
             ──► answers ──► scores [G, budgets]

The answers come from the same engines as everything else, and become groups of their own beside the
thinking's (Qi et al. 2025, AnytimeReasoner, arXiv 2505.13438, section 3).

See docs/methods/objectives.md#thinking-budgets.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rl.config.algorithm import BudgetConfig
from rl.stream.plans import request_seeds
from rl.stream.waiting import wait_for
from rollout.types import (
    Completion,
    Failure,
    GroupRequest,
    GroupScorer,
    RewardResult,
    Rollout,
    RolloutAux,
    RolloutGroup,
)

if TYPE_CHECKING:
    from rl.engines.fleet import EngineFleet

FIRST_ID = 1 << 61
"""Answer groups are numbered from here, so that they never meet a plan's or an evaluation's."""
NO_SCORE = RewardResult.unjudged("no answer at some thinking budget was judged", Failure.NO_SCORE)
MAX_ANSWER_GROUPS = 1 << 12
"""Most answer groups that one group of thinkings may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One thinking, cut once."""

    rollout: int
    """Index of the thinking in its group."""
    tokens: int
    """Thinking tokens kept."""
    budgets: tuple[int, ...]
    """Indices of the budgets that this cut stands for: a thinking that ended early is cut once for all later
    budgets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnytimeAnswers:
    """Adds ``answers`` and ``aux.budget_scores`` to a finished group."""

    fleet: "EngineFleet"
    scorer: GroupScorer
    decode: Callable[[Sequence[Sequence[int]]], list[str]]
    marker: tuple[int, ...]
    """Token ids of ``end_of_thinking``."""
    config: BudgetConfig
    run_seed: int
    timeout_s: float

    async def __call__(self, group: RolloutGroup) -> RolloutGroup:
        """The group with its thinkings' own answers out of the loss, their scores at each budget, and the
        answers as groups.

        A thinking none of whose answers at some budget could be judged has no score there, and counts as not
        judged.

        Raises:
            EngineLost: the engine of an answer died; the whole group is to be issued again.
        """
        lengths = [thinking_tokens(r.completion, self.marker) for r in group.rollouts]
        cuts = [
            cut for index, length in enumerate(lengths) for cut in cuts_of(index, length, self.config.tokens)
        ]
        answers = await asyncio.gather(*(self._answer(group, cut, number) for number, cut in enumerate(cuts)))
        scores = np.zeros((len(lengths), len(self.config.tokens)))
        for cut, answer in zip(cuts, answers, strict=True):
            mean = answer.num_correct / len(answer.rollouts) if answer.rollouts else np.nan
            scores[cut.rollout, list(cut.budgets)] = mean
        scored = np.logical_not(np.isnan(scores).any(axis=1))
        thinkings = tuple(
            _thinking_only(rollout if known else replace(rollout, result=NO_SCORE), length)
            for rollout, length, known in zip(group.rollouts, lengths, scored, strict=True)
        )
        used = tuple(answer for cut, answer in zip(cuts, answers, strict=True) if scored[cut.rollout])
        return replace(
            group,
            rollouts=thinkings,
            answers=used,
            aux=replace(group.aux, budget_scores=scores[scored]),
        )

    async def _answer(self, group: RolloutGroup, cut: Cut, number: int) -> RolloutGroup:
        """``summaries`` answers from one cut thinking."""
        assert number < MAX_ANSWER_GROUPS
        thinking = group.rollouts[cut.rollout].completion.token_ids[: cut.tokens]
        opening = (*(int(t) for t in thinking), *self.marker)
        sampling = replace(group.sampling, max_tokens=self.config.summary_tokens)
        group_id = FIRST_ID + group.group_id * MAX_ANSWER_GROUPS + number
        request = GroupRequest(
            group_id=group_id,
            prompt_token_ids=(*group.prompt.token_ids, *opening),
            seeds=request_seeds(self.run_seed, group_id, self.config.summaries),
            sampling=sampling,
        )
        completions = await self.fleet.generate(request, timeout_s=self.timeout_s)
        texts = self.decode([[*opening, *c.token_ids.tolist()] for c in completions])
        results = await wait_for(
            self.scorer.score(group.prompt, texts, [c.truncated for c in completions]),
            self.timeout_s,
            "rewards of answers",
        )
        return replace(
            group,
            group_id=group_id,
            prompt=replace(group.prompt, token_ids=request.prompt_token_ids),
            sampling=sampling,
            rollouts=tuple(
                Rollout(completion=c, text=t, result=r)
                for c, t, r in zip(completions, texts, results, strict=True)
            ),
            unjudged=(),
            aux=RolloutAux(
                budget_scores=np.full((sum(r.judged for r in results), len(self.config.tokens)), np.nan)
            ),
        )


def with_answers(groups: Sequence[RolloutGroup]) -> list[RolloutGroup]:
    """Every group followed by the groups of its answers: what a batch is made of."""
    return [g for group in groups for g in (group, *group.answers)]


def thinking_tokens(completion: Completion, marker: Sequence[int]) -> int:
    """Tokens before the first end marker, or before the end token where there is none."""
    tokens = completion.token_ids.tolist()
    width = len(marker)
    for start in range(len(tokens) - width + 1):
        if tokens[start : start + width] == list(marker):
            return start
    return len(tokens) if completion.truncated else len(tokens) - 1


def cuts_of(rollout: int, length: int, budgets: Sequence[int]) -> list[Cut]:
    """The distinct cuts of a thinking of ``length`` tokens.

    Example: length 5 with budgets (2, 4, 6, 8): cuts at 2, at 4, and at 5 for the last two budgets.
    """
    by_tokens: dict[int, list[int]] = {}
    for index, budget in enumerate(budgets):
        by_tokens.setdefault(min(budget, length), []).append(index)
    return [
        Cut(rollout=rollout, tokens=tokens, budgets=tuple(indices)) for tokens, indices in by_tokens.items()
    ]


def _thinking_only(rollout: Rollout, length: int) -> Rollout:
    """The rollout with what follows its thinking out of the loss."""
    completion = rollout.completion
    inside = np.arange(len(completion.token_ids)) < length
    return replace(rollout, completion=replace(completion, loss_mask=completion.loss_mask & inside))
