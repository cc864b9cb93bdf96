"""A judge's verdict on one program."""

from dataclasses import dataclass

from rewards.sandbox.base import Outcome, Stop

STOPPED = {
    Stop.WALL: "timeout",
    Stop.CPU: "timeout",
    Stop.MEMORY: "memory",
    Stop.PROCESSES: "too many processes",
    Stop.OUTPUT: "too much output",
    Stop.DISK: "too much disk",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Tests passed, and why not all of them."""

    passed: int
    total: int
    reason: str = ""
    """Reason of the first failure; empty if every test passed."""

    @property
    def correct(self) -> bool:
        """Every test passed, and there was one."""
        return self.passed == self.total > 0 and not self.reason

    def and_then(self, later: "Verdict") -> "Verdict":
        """Both together; the first reason stays."""
        return Verdict(self.passed + later.passed, self.total + later.total, self.reason or later.reason)


def ending(outcome: Outcome, what: str, exit_code: int = 0) -> str:
    """Why a program's end is a failure; empty if it ended as it should.

    Args:
        outcome: Of its run.
        what: Name of an end with the wrong exit code, such as ``runtime error``.
        exit_code: The right one.
    """
    if outcome.stop is not Stop.EXIT:
        return STOPPED[outcome.stop]
    if outcome.exit_code == exit_code:
        return ""
    signal = outcome.exit_code < 0
    return (
        f"{what} (killed by signal {-outcome.exit_code})"
        if signal
        else f"{what} (exit code {outcome.exit_code})"
    )
