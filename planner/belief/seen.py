"""Which groups were counted already, so that a log read twice counts once; bounded memory."""

import math
from collections.abc import Mapping
from typing import Any

from rollout.types import RolloutStat

NEGLIGIBLE = 1e-3


class SeenGroups:
    """Keys (prompt, group) by policy version; versions whose counts have faded below ``NEGLIGIBLE`` are
    forgotten and refused."""

    def __init__(self, discount: float) -> None:
        """``discount`` of the statistics: at 1 nothing ever fades, and every group is remembered."""
        self._horizon = math.inf if discount == 1 else math.ceil(math.log(NEGLIGIBLE) / math.log(discount))
        self._by_version: dict[int, set[tuple[str, int]]] = {}

    def add(self, stat: RolloutStat, *, newest: int) -> bool:
        """True if the group is to be counted. ``newest`` is the newest policy version counted so far."""
        version = stat.min_policy_version
        if newest - version > self._horizon:
            return False
        # A statistic without a group id is told apart by its plan: a plan holds a prompt once.
        key = (stat.prompt_id, stat.group_id if stat.group_id >= 0 else -1 - stat.plan_step)
        groups = self._by_version.setdefault(version, set())
        if key in groups:
            return False
        groups.add(key)
        if version > newest:
            self._by_version = {
                v: held for v, held in self._by_version.items() if version - v <= self._horizon
            }
        return True

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, in a fixed order."""
        return {
            "versions": [
                [v, sorted(list(key) for key in held)] for v, held in sorted(self._by_version.items())
            ]
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._by_version = {v: {(prompt, group) for prompt, group in held} for v, held in state["versions"]}
