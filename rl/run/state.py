"""Everything the controller must not lose, in one picklable object."""

from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from rl.stream.plans import GroupStatus, PlanState


@dataclass(slots=True)
class Totals:
    """Counts over the lineage."""

    rollouts: int = 0
    rollout_tokens: int = 0
    groups_trained: int = 0
    groups_dropped: int = 0
    train_s: float = 0.0
    """Wall-clock of the loops, earlier attempts included up to their last checkpoint."""


@dataclass(slots=True)
class RunState:
    """The stream's state between two optimizer steps.

    ``version`` is both the number of steps trained and the version of the weights; plan ``version`` is the
    next to be trained.
    """

    version: int = 0
    tickets: dict[str, Any] = field(default_factory=dict)
    """``Tickets.state_dict`` of the last plan drawn; empty before the first."""
    plans: dict[int, PlanState] = field(default_factory=dict)
    """Plans drawn and not yet trained."""
    curriculum: dict[str, Any] = field(default_factory=dict)
    """``CurriculumStack.state_dict``, filled when a checkpoint is taken."""
    statistics: dict[str, Any] = field(default_factory=dict)
    """``StatisticsStore.state_dict``, likewise."""
    planner: dict[str, Any] = field(default_factory=dict)
    """``PlannerLoop.state_dict``, likewise; empty without one."""
    totals: Totals = field(default_factory=Totals)

    def frozen(self) -> "RunState":
        """The state of now, which a thread may write while the loops go on. Finished groups never change, so
        they are shared."""
        return replace(
            self,
            tickets=dict(self.tickets),
            plans={
                step: replace(plan, groups=[copy(g) for g in plan.groups])
                for step, plan in self.plans.items()
            },
            curriculum=deepcopy(self.curriculum),
            statistics=deepcopy(self.statistics),
            planner=deepcopy(self.planner),
            totals=copy(self.totals),
        )

    def begin_stream_anew(self) -> None:
        """Forget plans, curriculum and statistics, which are about other prompts or another curriculum; steps
        and totals stay."""
        self.plans.clear()
        self.tickets = (
            {"version": 1, "next_step": self.version, "confirmed_version": self.version}
            if self.version
            else {}
        )
        self.curriculum, self.statistics, self.planner = {}, {}, {}

    def rewind_inflight(self) -> None:
        """After a restore nothing is in flight: groups that were are drawn again as a whole; finished ones
        stay."""
        for plan in self.plans.values():
            for group in plan.groups:
                if group.status is not GroupStatus.FINISHED:
                    group.reset()
