"""Groups of a simulated plan, and the lengths that they are drawn with."""

from dataclasses import dataclass, field

import numpy as np

from rl.simulation.spec import LengthSpec


@dataclass(slots=True, eq=False)
class Group:
    """The rollouts of one prompt."""

    plan: int
    """Step of the plan that it belongs to."""
    lengths: list[int]
    prompt: float
    engine: int = -1
    """That it was sent to last."""
    left: int = 0
    """Rollouts still to come of this issue."""
    version: int = -1
    """Version of the weights that sampled its first token; -1 = none yet."""
    finished: bool = False
    kept: bool = False
    cut: bool = False
    """No longer wanted: what comes of it is thrown away."""
    epoch: int = 0
    """Grows when the group is reset, so that sequences of an older issue count no more."""

    @property
    def tokens(self) -> int:
        """Tokens of its completions."""
        return sum(self.lengths)

    def send(self, engine: int) -> None:
        """It goes to an engine, as a whole."""
        self.epoch += 1
        self.engine, self.left, self.version = engine, len(self.lengths), -1


@dataclass(slots=True)
class Plan:
    """The groups of one training step."""

    step: int
    groups: list[Group] = field(default_factory=list)
    needed: int = 0
    refill_round: int = 0
    refilled: int = 0

    @property
    def num_finished(self) -> int:
        """Groups done."""
        return sum(group.finished for group in self.groups)

    def missing(self) -> int:
        """Dropped groups that no replacement was drawn for."""
        return sum(group.finished and not group.kept for group in self.groups) - self.refilled


class Lengths:
    """Draws the completion lengths of whole groups."""

    def __init__(self, spec: LengthSpec, rng: np.random.Generator) -> None:
        self._spec, self._rng = spec, rng

    def draw(self, groups: int, rollouts: int) -> list[list[int]]:
        """[groups][rollouts] tokens, 1 to ``max_tokens``. Recorded groups are drawn with replacement, and
        their members too where another number of rollouts is asked for."""
        spec, rng = self._spec, self._rng
        if spec.recorded:
            drawn = []
            for index in rng.integers(len(spec.recorded), size=groups):
                row = np.asarray(spec.recorded[index])
                if len(row) != rollouts:
                    row = rng.choice(row, size=rollouts)
                drawn.append(np.minimum(row, spec.max_tokens).tolist())
            return drawn
        between = rng.standard_normal((groups, 1)) * spec.prompt_share**0.5
        within = rng.standard_normal((groups, rollouts)) * (1 - spec.prompt_share) ** 0.5
        lengths = spec.median * np.exp(spec.sigma * (between + within))
        return np.clip(np.rint(lengths), 1, spec.max_tokens).astype(int).tolist()
