"""A part of the battery of ``t2rl rewards check`` before a run: answers that must not count as right. What
the reward takes is not an error here; an advisory says it with the first step."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewards.battery import attempts
from rewards.gold_forms import best_form, candidates, items_of
from rewards.processes.pool import VerifierPool
from rollout.types import Prompt

LEFT_OUT = ("huge", "truncated")
"""Cases that are slow, or a matter of taste for a reward of a user's own."""
CHEAP_S = 0.2
"""Seconds of a verdict above which the battery is left to ``t2rl rewards check``: a service may charge."""
FEW = 3
"""Verdicts whose time one alone may take: a single slow one is no rule."""


@dataclass(slots=True)
class Battery:
    """Counts of degenerate answers: tried, and accepted by case."""

    tried: int = 0
    accepted: dict[str, int] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """``reward/battery_...``, once: for the row of the first step."""
        if not self.tried:
            return {}
        out = {
            "reward/battery_tried": float(self.tried),
            "reward/battery_accepted": float(sum(self.accepted.values())),
            **{f"reward/battery_{case.replace(' ', '_')}": float(n) for case, n in self.accepted.items()},
        }
        self.tried = 0
        return out


async def try_battery(pool: VerifierPool, prompts: Sequence[Prompt], args: Mapping[str, Any]) -> Battery:
    """Judge degenerate answers to ``prompts`` in a started pool; nothing where a verdict is not cheap."""
    items = items_of(prompts, args)
    started, judged = time.monotonic(), 0
    verdicts: list[dict[str, bool]] = []
    for item in items:
        verdicts.append({})
        for form, text in candidates(item).items():
            (result,) = await pool.score(item.prompt, [text], [False])
            verdicts[-1][form] = result.correct
            judged += 1
            if time.monotonic() - started > CHEAP_S * max(judged, FEW):
                return Battery()
    if not judged:
        return Battery()
    form, found = best_form(verdicts), Battery()
    for index, item in enumerate(items):
        tried = [one for one in attempts(index, items, form) if one.case not in LEFT_OUT]
        results = await pool.score(item.prompt, [a.text for a in tried], [a.truncated for a in tried])
        found.tried += len(tried)
        for attempt, result in zip(tried, results, strict=True):
            if result.judged and result.correct:
                found.accepted[attempt.case] = found.accepted.get(attempt.case, 0) + 1
    return found
