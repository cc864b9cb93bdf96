"""A plan in flight: one step ticket's groups, from planned to trained."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from rollout.types import GroupRequest, Prompt, RolloutGroup, RolloutStat, SamplingConfig

HELD_OUT_IDS = 1 << 60
"""Ids of evaluations' groups begin here; plans never get so far."""
MAX_GROUPS_PER_ROUND = 1 << 14
MAX_ROUNDS = 1 << 6
UNJUDGED = "unjudged"
"""Why a group is dropped that nothing of could be judged."""
LATE = "late"
"""Why a spare group is dropped that was still being sampled when its batch had all that it takes."""


class GroupStatus(StrEnum):
    """Lifecycle: WAITING -> INFLIGHT -> FINISHED; back to WAITING when an issue fails or a checkpoint is
    restored."""

    WAITING = "waiting"
    INFLIGHT = "inflight"
    FINISHED = "finished"


def make_group_id(plan_step: int, refill_round: int, position: int) -> int:
    """Run-wide id that depends on the plan alone, never on completion order, so that resume and re-issue
    reproduce it.

    Example: ``make_group_id(3, 0, 5)`` is ``3 * 2**20 + 5``.
    """
    assert refill_round < MAX_ROUNDS and position < MAX_GROUPS_PER_ROUND
    return (plan_step * MAX_ROUNDS + refill_round) * MAX_GROUPS_PER_ROUND + position


def group_words(group_id: int) -> str:
    """``group 5 of plan 3``, ``held-out problem 12``, for people."""
    if group_id >= HELD_OUT_IDS:
        return f"held-out problem {group_id - HELD_OUT_IDS}"
    rounds, position = divmod(group_id, MAX_GROUPS_PER_ROUND)
    plan, refill = divmod(rounds, MAX_ROUNDS)
    return f"group {position} of plan {plan}" + (f", refill {refill}" if refill else "")


def request_seeds(run_seed: int, group_id: int, num_rollouts: int) -> tuple[int, ...]:
    """[num_rollouts] independent 31-bit seeds for the engine, fixed by (run seed, group, position)."""
    state = np.random.SeedSequence([run_seed, group_id]).generate_state(num_rollouts, dtype=np.uint32)
    return tuple(int(s) & 0x7FFFFFFF for s in state)


@dataclass(slots=True, kw_only=True)
class GroupState:
    """One planned group and what became of it."""

    request: GroupRequest
    prompt: Prompt
    plan_step: int
    status: GroupStatus = GroupStatus.WAITING
    issues: int = 0
    issued_version: int = -1
    """Version that every live engine had confirmed when it was last sent: a lower bound for its tokens."""
    issued_at: float = 0.0
    finished_version: int = -1
    """Confirmed version when it finished; splits staleness into its in-flight and in-queue shares."""
    group: RolloutGroup | None = None
    kept: bool = False
    reason: str = ""
    indices: tuple[int, ...] | None = None
    """Rollouts that train, if kept; None = all."""
    _stat: RolloutStat | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def num_tokens(self) -> int:
        """Tokens of the finished group's judged rollouts, the prompt counted with each."""
        rollouts = () if self.group is None else self.group.rollouts
        return sum(len(self.prompt.token_ids) + len(r.completion.token_ids) for r in rollouts)

    def reset(self) -> None:
        """Back to WAITING: the whole group is drawn again (keeping its finished members would favour short
        answers)."""
        self.status = GroupStatus.WAITING
        self.issued_version = -1
        self.group = self._stat = None

    def stat(self) -> RolloutStat:
        """Return what the statistics store learns from the group."""
        if self._stat is None:
            assert self.group is not None
            self._stat = RolloutStat.of(self.group, kept=self.kept, reason=self.reason)
        return self._stat

    def summarise(self) -> None:
        """Make ``stat`` when the group is finished, and not of all groups of a plan at once."""
        self._stat = None
        if self.group is not None and self.group.rollouts:
            self.stat()


@dataclass(slots=True, kw_only=True)
class PlanState:
    """One step ticket: the groups that become training batch ``step``, refills included."""

    step: int
    groups: list[GroupState] = field(default_factory=list)
    refill_round: int = 0
    refilled: int = 0
    """Dropped groups that replacements were drawn for."""
    rolled_over: int = 0
    """Groups that moved to the next plan because they were late."""
    spare: int = 0
    """Groups beyond those that the batch takes (``stream.redundant_share``)."""

    @property
    def wanted(self) -> int:
        """Groups that the batch takes; one at least, also where a curriculum drew fewer than it was asked
        for."""
        return max(1, len(self.groups) - self.spare - self.refilled)

    @property
    def missing(self) -> int:
        """Dropped groups that neither a spare one nor a replacement stands in for."""
        return max(0, self.num_dropped - self.refilled - self.spare)

    @property
    def finished(self) -> bool:
        """True if no group is still to come (a refill may follow)."""
        return all(g.status is GroupStatus.FINISHED for g in self.groups)

    @property
    def num_finished(self) -> int:
        """Groups done."""
        return sum(g.status is GroupStatus.FINISHED for g in self.groups)

    @property
    def num_dropped(self) -> int:
        """Finished groups that the curriculum turned away."""
        return sum(g.status is GroupStatus.FINISHED and not g.kept for g in self.groups)

    def kept(self) -> list[GroupState]:
        """Groups to train on, in id order, so that completion order never changes a batch."""
        return sorted((g for g in self.groups if g.kept), key=lambda g: g.request.group_id)

    def stats(self) -> list[RolloutStat]:
        """One statistic per finished group, kept or not, in id order; none of a group that nothing of could
        be judged."""
        done = [
            g
            for g in self.groups
            if g.status is GroupStatus.FINISHED and g.group is not None and g.group.rollouts
        ]
        return [g.stat() for g in sorted(done, key=lambda g: g.request.group_id)]

    def finished_groups(self) -> list[RolloutGroup]:
        """All of them, judged or not, kept or not."""
        return [g.group for g in self.groups if g.group is not None]


def new_groups(
    *,
    plan_step: int,
    refill_round: int,
    prompts: list[Prompt],
    num_rollouts: list[int],
    max_tokens: list[int],
    sampling: SamplingConfig,
    run_seed: int,
) -> list[GroupState]:
    """Turn a curriculum's plan into groups ready to be issued; prompts with no rollout are left out.

    An engine keeps a request's ``max_tokens`` when weights change under it, so a length budget holds for the
    whole completion.
    """
    groups = []
    for position, (prompt, count, tokens) in enumerate(zip(prompts, num_rollouts, max_tokens, strict=True)):
        if count == 0:
            continue
        group_id = make_group_id(plan_step, refill_round, position)
        request = GroupRequest(
            group_id=group_id,
            prompt_token_ids=prompt.token_ids,
            seeds=request_seeds(run_seed, group_id, count),
            sampling=sampling.limited(tokens),
        )
        groups.append(GroupState(request=request, prompt=prompt, plan_step=plan_step))
    return groups
