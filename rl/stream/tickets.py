"""Step tickets: the rule that bounds staleness by construction. Pure logic, no clock, no asyncio.

Weights after training steps ``0..v-1`` are version ``v``, so plan ``s`` is trained by learner version ``s``.
With ``c`` the version that every live engine confirmed, plan ``s`` may be issued only while ``s - c <=
depth``, ``depth <= max_staleness``. Every token of it is then sampled by a version ``>= c >= s -
max_staleness``, however long it takes, because batch ``s`` is plan ``s`` and nothing else decides when it is
consumed. Why a count of running groups does not do: docs/decisions/0001-step-tickets.md.
"""

from collections.abc import Hashable
from typing import Any

STALE = "stale"
"""Reason of a re-issue: the group's oldest token is too old for the step that would consume it."""


class StalenessViolation(RuntimeError):
    """A group older than the bound reached the learner: a bug in the stream, never a condition to recover
    from."""


class EngineVersions:
    """Which version each live engine confirmed; their minimum only ever grows."""

    def __init__(self, confirmed: int = 0) -> None:
        self._floor = confirmed
        self._versions: dict[Hashable, int] = {}

    @property
    def confirmed(self) -> int:
        """The version that every live engine confirmed; the last one known while no engine lives."""
        return self._floor

    @property
    def live(self) -> dict[Hashable, int]:
        """Engine -> confirmed version."""
        return dict(self._versions)

    def join(self, engine: Hashable, *, version: int) -> None:
        """An engine serves from now on; it must have loaded at least the confirmed version first.

        Raises:
            ValueError: if its weights are older, since plans already issued rely on ``confirmed``.
        """
        if version < self._floor:
            raise ValueError(
                f"engine {engine!r} joins with version {version}, older than the confirmed {self._floor}:"
                " load the current weights"
            )
        self._versions[engine] = version
        self._raise_floor()

    def confirm(self, engine: Hashable, *, version: int) -> int:
        """A live engine loaded ``version``; returns the new minimum. Late confirmations of older versions
        change nothing."""
        if engine not in self._versions:
            raise ValueError(f"engine {engine!r} confirmed version {version} but is not live: join it first")
        self._versions[engine] = max(version, self._versions[engine])
        self._raise_floor()
        return self._floor

    def leave(self, engine: Hashable) -> int:
        """An engine left routing (dead, or a push to it failed); returns the new minimum."""
        self._versions.pop(engine, None)
        self._raise_floor()
        return self._floor

    def _raise_floor(self) -> None:
        if self._versions:
            self._floor = max(self._floor, min(self._versions.values()))


class Tickets:
    """Issues plans in order, each exactly once, never more than ``depth`` steps ahead of the confirmed
    weights.

    Example, ``max_staleness=1``::

        # 0, 1: both from version 0; plan 1 will be one step old when trained
        tickets.issue(), tickets.issue()
        tickets.can_issue()                 # False: 2 - 0 > 1
        tickets.confirm(1)                  # step 0 trained, every engine holds version 1
        tickets.issue()                     # 2
    """

    def __init__(self, max_staleness: int, pipeline_depth: int | None = None) -> None:
        """Bound and depth in steps.

        Raises:
            ValueError: if either is negative.
        """
        depth = max_staleness if pipeline_depth is None else pipeline_depth
        if max_staleness < 0:
            raise ValueError(f"stream.max_staleness is {max_staleness}: it must be 0 (synchronous) or more")
        if depth < 0:
            raise ValueError(f"stream.pipeline_depth is {depth}: it must be 0 or more, or left out")
        self.max_staleness = max_staleness
        self.depth = min(depth, max_staleness)
        self._next_step = 0
        self._confirmed = 0
        self._inherited: dict[int, int] = {}
        """Plan -> staleness that it may have, where that is more than ``max_staleness``."""

    @property
    def next_step(self) -> int:
        """The plan that the next ticket is for."""
        return self._next_step

    @property
    def confirmed_version(self) -> int:
        """Version that every live engine confirmed."""
        return self._confirmed

    def confirm(self, version: int) -> None:
        """Every live engine now holds at least ``version``. Older values change nothing: versions never go
        back."""
        self._confirmed = max(self._confirmed, version)

    def can_issue(self) -> bool:
        """True if plan ``next_step`` may go out now."""
        return self._next_step - self._confirmed <= self.depth

    def issue(self) -> int:
        """Take the next ticket: the step whose plan goes out now. Call only if ``can_issue()``."""
        assert self.can_issue(), (
            f"plan {self._next_step} is ahead of version {self._confirmed} by more than {self.depth}"
        )
        self._next_step += 1
        return self._next_step - 1

    def is_fresh(self, *, step: int, min_policy_version: int) -> bool:
        """True if training step ``step`` may consume a group whose oldest token is of ``min_policy_version``.

        A straggler of an earlier plan rolls over to ``step`` only while this holds, else its whole group is
        re-issued with reason ``STALE``.
        """
        return step - min_policy_version <= self._bound(step)

    def _bound(self, step: int) -> int:
        return max(self.max_staleness, self._inherited.get(step, 0))

    def inherit(self, *, step: int, min_policy_version: int) -> None:
        """Plan ``step`` was drawn under a bound of before the resume: its tokens may be of
        ``min_policy_version`` though the bound of now is lower."""
        self._inherited[step] = max(self._inherited.get(step, 0), step - min_policy_version)

    def can_reissue(self, *, step: int) -> bool:
        """True if a group sent to an engine now can still be fresh at training step ``step``; else wait for
        newer weights."""
        return self.is_fresh(step=step, min_policy_version=self._confirmed)

    def assert_fresh(self, *, step: int, min_policy_version: int) -> int:
        """Check at consumption; returns the staleness in steps.

        Raises:
            StalenessViolation: if it is over the bound, or if the token comes from weights that the learner
                has not reached.
        """
        staleness = step - min_policy_version
        if not 0 <= staleness <= self._bound(step):
            raise StalenessViolation(
                f"step {step} got tokens of version {min_policy_version}: staleness {staleness}, allowed 0 to"
                f" {self._bound(step)}"
            )
        return staleness

    def state_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"version": 1, "next_step": self._next_step, "confirmed_version": self._confirmed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore. The bound is the config's: a resumed run may loosen it, or tighten it for plans that it
        draws; those that are open keep theirs by :meth:`inherit`."""
        if state["version"] != 1:
            raise ValueError(f"tickets state of version {state['version']}: this build reads version 1")
        self._next_step = state["next_step"]
        self._confirmed = state["confirmed_version"]
