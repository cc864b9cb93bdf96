"""One planned group at a time: issue it, decode, score, and issue it again when its engine is lost."""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from rl.engines.errors import EngineLost
from rl.records.trace import TraceWriter
from rl.scorers.reward_watch import RewardWatch
from rl.scorers.reward_weights import Weigh
from rl.stream.plans import GroupState, GroupStatus
from rl.stream.waiting import wait_for
from rollout.types import Completion, FinishReason, GroupRequest, GroupScorer, Rollout, RolloutGroup

logger = logging.getLogger(__name__)

DECODED_INLINE = 4096
"""Tokens of a group that take a millisecond or so to decode; a thread would cost as much."""

DECODING = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="decode")
"""A tokenizer decodes one text at a time and lets others run meanwhile; with many threads the loops wait long
for their turn."""


class GroupFailed(RuntimeError):
    """A group was issued ``stream.max_issues`` times and never came back whole."""


class Engines(Protocol):
    """The methods of engines that the service needs; ``EngineFleet`` is the run's."""

    @property
    def confirmed_version(self) -> int:
        """The version that every engine serves."""
        ...

    async def generate(self, request: GroupRequest, *, timeout_s: float) -> list[Completion]:
        """[G] completions; raises EngineLost if the group is to be sent again."""
        ...

    async def abort(self, group_id: int) -> None:
        """Drop a group, if it is there."""
        ...


class RolloutService:
    """Turns WAITING groups into FINISHED ones. Consumes group states; produces their ``group`` field."""

    def __init__(
        self,
        *,
        fleet: Engines,
        scorer: GroupScorer,
        decode: Callable[[Sequence[Sequence[int]]], list[str]],
        group_timeout_s: float,
        max_issues: int,
        trace: TraceWriter,
        expand: Callable[[RolloutGroup], Awaitable[RolloutGroup]] | None = None,
        weigh: Weigh | None = None,
        watch: RewardWatch | None = None,
    ) -> None:
        """``expand`` may sample more from a scored group before it counts as finished (answers at thinking
        budgets); ``weigh`` gives its rewards the weights of its plan's step; ``watch`` sees every verdict,
        and may end the run over them."""
        self._expand, self._weigh, self._watch = expand, weigh, watch
        self._fleet = fleet
        self._scorer = scorer
        self._decode = decode
        self._group_timeout_s = group_timeout_s
        self._max_issues = max_issues
        self._trace = trace
        self.reissues: Counter[str] = Counter()
        """Why groups were issued again."""
        self.tokens_lost = 0
        """Sampled, since the start, for groups that came back but were issued again."""

    def metrics(self) -> dict[str, float]:
        """Re-issues so far, by reason."""
        return {
            f"rollout/reissued_{reason.replace(' ', '_')}": count for reason, count in self.reissues.items()
        }

    async def finish(self, state: GroupState) -> RolloutGroup:
        """Issue ``state`` until its group is whole and scored; returns that group.

        Raises:
            GroupFailed: after ``max_issues`` issues. Those before this call do not count: the group was only
                late then, or the run was resumed.
            FleetDead: no engine is left.
            BrokenReward: none of the run's first samples could be judged.
        """
        if state.issues:  # an earlier issue may still be running somewhere
            await self._fleet.abort(state.request.group_id)
        problem = ""
        for _ in range(self._max_issues):
            state.status = GroupStatus.INFLIGHT
            state.issues += 1
            state.issued_version = self._fleet.confirmed_version
            state.issued_at = time.time()
            completions: list[Completion] = []
            try:
                completions = await self._fleet.generate(state.request, timeout_s=self._group_timeout_s)
                if any(c.finish_reason is FinishReason.ABORTED for c in completions):
                    problem = "interrupted from outside"
                    self.reissue(state, "aborted", problem, sampled=completions)
                    continue
                group = await self._scored(state, completions)
                state.group = group if self._expand is None else await self._expand(group)
            except EngineLost as error:
                problem = str(error)
                self.reissue(state, "engine lost", problem, sampled=completions)
                continue
            state.status = GroupStatus.FINISHED
            state.finished_version = self._fleet.confirmed_version
            return state.group
        raise GroupFailed(
            f"group {state.request.group_id} (prompt {state.prompt.id}) failed {self._max_issues} times"
            f" (stream.max_issues), lastly: {problem}. Raise stream.group_timeout_s if generation is slow,"
            " else look at logs/ray of the run"
        )

    def reissue(
        self, state: GroupState, reason: str, detail: str, *, sampled: Sequence[Completion] = ()
    ) -> None:
        """Back to WAITING, with the reason counted and logged, and what was ``sampled`` in vain."""
        self.tokens_lost += sum(len(c.token_ids) for c in sampled)
        logger.warning("group %d is issued again (%s): %s", state.request.group_id, reason, detail)
        self.reissues[reason] += 1
        state.reset()

    async def _texts(self, completions: list[Completion]) -> list[str]:
        """[G] decoded; long ones in a thread, since the loops would stand still meanwhile."""
        if sum(len(c.token_ids) for c in completions) <= DECODED_INLINE:
            return self._decode([c.token_ids.tolist() for c in completions])
        return await asyncio.get_running_loop().run_in_executor(
            DECODING, lambda: self._decode([c.token_ids.tolist() for c in completions])
        )

    async def _scored(self, state: GroupState, completions: list[Completion]) -> RolloutGroup:
        finished_at = time.time()
        texts = await self._texts(completions)
        results = await wait_for(
            self._scorer.score(state.prompt, texts, [c.truncated for c in completions]),
            self._group_timeout_s,
            f"rewards of group {state.request.group_id}",
        )
        if self._watch is not None:
            self._watch.see(state.prompt, results)
        if self._weigh is not None:
            results = self._weigh(state.prompt, results, state.plan_step)
        self._trace.complete(
            "groups",
            f"plan {state.plan_step}",
            state.issued_at,
            finished_at,
            group=state.request.group_id,
            rollouts=len(completions),
        )
        return RolloutGroup(
            group_id=state.request.group_id,
            plan_step=state.plan_step,
            prompt=state.prompt,
            sampling=state.request.sampling,
            rollouts=tuple(
                Rollout(completion=c, text=t, result=r)
                for c, t, r in zip(completions, texts, results, strict=True)
            ),
            issues=state.issues,
            issued_at=state.issued_at,
            finished_at=finished_at,
        )
