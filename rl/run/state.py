"""Everything the controller must not lose, as plain data."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import ValidationError

from rl.stream.saved import Saved, SavedStream


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
    """The run's state between two optimizer steps.

    ``version`` is both the number of steps trained and the version of the weights; plan ``version`` is the
    next to be trained. The states of the parts are filled when a checkpoint is taken, and are not changed
    afterwards: a thread may write them while the loops go on.
    """

    version: int = 0
    stream: dict[str, Any] = field(default_factory=dict)
    """``StreamBuffer.state_dict``."""
    curriculum: dict[str, Any] = field(default_factory=dict)
    """``CurriculumStack.state_dict``."""
    statistics: dict[str, Any] = field(default_factory=dict)
    """``StatisticsStore.state_dict``."""
    planner: dict[str, Any] = field(default_factory=dict)
    """``PlannerLoop.state_dict``; empty without one."""
    totals: Totals = field(default_factory=Totals)

    def document(self) -> dict[str, Any]:
        """The state as ``rl.run.state_file`` writes it."""
        return {
            "version": self.version,
            "stream": self.stream,
            "curriculum": self.curriculum,
            "statistics": self.statistics,
            "planner": self.planner,
            "totals": asdict(self.totals),
        }

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> "RunState":
        """The inverse.

        Raises:
            ValueError: a field is missing, too many or of another kind.
        """
        try:
            saved = _SavedState.model_validate(document)
            if saved.stream:
                SavedStream.model_validate(saved.stream).plans_by_step()
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        parts = {name: getattr(saved, name) for name in ("stream", "curriculum", "statistics", "planner")}
        return cls(version=saved.version, totals=Totals(**saved.totals.model_dump()), **parts)

    def begin_stream_anew(self) -> None:
        """Forget plans, curriculum and statistics, which are about other prompts or another curriculum; steps
        and totals stay."""
        self.stream, self.curriculum, self.statistics, self.planner = {}, {}, {}, {}


class _SavedTotals(Saved):
    rollouts: int
    rollout_tokens: int
    groups_trained: int
    groups_dropped: int
    train_s: float


class _SavedState(Saved):
    version: int
    stream: dict[str, Any]
    curriculum: dict[str, Any]
    statistics: dict[str, Any]
    planner: dict[str, Any]
    totals: _SavedTotals
