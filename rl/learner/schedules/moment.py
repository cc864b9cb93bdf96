"""Where an update lies between the peak of the learning rate and the end of the run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """Position of one update after the warm-up."""

    peak: int
    """Updates done when the rate is at its peak, that one included; at least 1."""
    span: int
    """Updates from there to the last of the run; at least 1."""
    elapsed: int
    """Updates since the peak, 0 to ``span``."""

    @property
    def progress(self) -> float:
        """0 at the peak, 1 at the last update."""
        return self.elapsed / self.span

    def within_last(self, share: float) -> float:
        """0 until the last ``share`` of the way begins, then rising to 1."""
        return max(0.0, 1 - (1 - self.progress) / share)
