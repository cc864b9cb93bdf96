"""How far a stack is: which plan comes next, which was observed last, and what was observed but may not be
seen yet."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from curricula.measures.prompt_signals import PromptSignals
from rollout.types import RolloutStat


@dataclass(slots=True)
class Counters:
    """Plans come in order, and so do observations, each plan's once."""

    first_plan: int = 0
    next_plan: int = 0
    next_observed: int = 0
    total_steps: int = 0
    num_prompts: int = 0
    """Number of prompts of the last plan."""

    @property
    def begun(self) -> bool:
        """True once the first plan was drawn."""
        return self.next_plan != self.first_plan

    def begin_at(self, step: int) -> None:
        """Make ``step`` the first plan."""
        self.first_plan = self.next_plan = self.next_observed = step

    def count_observed(self, step: int) -> None:
        """Plan ``step`` is observed.

        Raises:
            ValueError: if it is not its turn: counting it twice, or never, would bias every estimate.
        """
        if step != self.next_observed or step >= self.next_plan:
            raise ValueError(
                f"plan {step} observed, plan {self.next_observed} is next: in plan order, each once, after"
                " the plan"
            )
        self.next_observed = step + 1

    def state_dict(self) -> dict[str, int]:
        """By name."""
        return dataclasses.asdict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore; other keys are left alone. States from before ``begin_at`` was there begin at 0."""
        self.first_plan = state.get("first_plan", 0)
        self.next_plan, self.next_observed = state["next_plan"], state["next_observed"]
        self.total_steps, self.num_prompts = state["total_steps"], state["num_prompts"]


class Observation(NamedTuple):
    """All finished groups of one plan."""

    step: int
    stats: list[RolloutStat]
    signals: PromptSignals | None
    """The learner's answer to the parts that asked it."""


@dataclass(slots=True)
class Backlog:
    """Observations that no plan may see yet, and when their plans were drawn."""

    _pending: list[Observation] = field(default_factory=list)
    _clocks: dict[int, float] = field(default_factory=dict)
    """Plan -> the store's budget clock when it was drawn, until its observations are absorbed."""
    _sizes: dict[int, int] = field(default_factory=dict)
    """Plan -> its number of prompts, as long."""

    def stamp(self, step: int, clock: float, *, num_prompts: int) -> None:
        """Plan ``step``, of ``num_prompts``, is drawn when the store's budget clock shows ``clock``."""
        self._clocks[step], self._sizes[step] = clock, num_prompts

    def num_prompts(self, step: int) -> int | None:
        """Prompts of plan ``step``; None once it is absorbed, or before it is drawn."""
        return self._sizes.get(step)

    def add(self, observation: Observation) -> None:
        """The newest observation."""
        self._pending.append(observation)

    def release(self, newest: int | None) -> Iterator[tuple[Observation, float]]:
        """Observations of plans up to ``newest`` (None: all), oldest first, each with its plan's budget
        clock; what is known of the plan is forgotten once the caller is through with it."""
        while self._pending and (newest is None or self._pending[0].step <= newest):
            observation = self._pending.pop(0)
            yield observation, self._clocks.pop(observation.step)
            self._sizes.pop(observation.step, None)

    def state_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "pending": [
                [step, [_plain(stat) for stat in stats], None if signals is None else signals.state_dict()]
                for step, stats, signals in self._pending
            ],
            "clocks": [[step, clock] for step, clock in self._clocks.items()],
            "sizes": [[step, size] for step, size in self._sizes.items()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore; other keys are left alone."""
        self._pending = [
            Observation(step, _stats(rows), None if signals is None else PromptSignals.from_state(signals))
            for step, rows, signals in state["pending"]
        ]
        self._clocks = dict(state["clocks"])
        self._sizes = dict(state.get("sizes", ()))  # T2RL before 2026-12 kept none


def _plain(stat: RolloutStat) -> dict[str, Any]:
    """As JSON has it: lists, not tuples."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(stat).items()
    }


def _stats(rows: Sequence[Mapping[str, Any]]) -> list[RolloutStat]:
    """Inverse of ``_plain``, for each row."""
    return [RolloutStat(**{name: _tuple(value) for name, value in row.items()}) for row in rows]


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
