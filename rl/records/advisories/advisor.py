"""Asks every rule after every step, and keeps a rule quiet for a while after it has spoken."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from rl.records.advisories.base import (
    EARLY,
    LONG,
    WINDOW,
    Advice,
    HeldOut,
    OwnRule,
    Row,
    Rule,
    Said,
    Seen,
    Severity,
    Stall,
)

QUIET_STEPS = 25
"""Steps until the same rule may speak again."""
GRAVEST_FIRST = tuple(reversed(get_args(Severity)))


class Advisor:
    """Fed one metric row a step; remembers as many as the rules look at."""

    def __init__(
        self,
        rules: Mapping[str, Rule],
        own: Mapping[str, OwnRule] | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Take the ``rules`` with what is told of them, and the ``own`` ones of a user beside them.

        ``settings`` is the run's config as a tree.
        """
        self._rules = {**rules, **{name: own_rule(rule) for name, rule in (own or {}).items()}}
        self._settings = settings or {}
        self._early: list[Row] = []
        self._rows: deque[Row] = deque(maxlen=LONG)
        self._evaluations: Sequence[HeldOut] = ()
        self._silent_until: dict[str, int] = {}

    def remember(self, rows: Iterable[Row]) -> None:
        """Rows of before a resume: what was normal then still is."""
        for row in rows:
            self._take(row)

    def update(self, step: int, row: Row, *, evaluations: Sequence[HeldOut] | None = None) -> list[Advice]:
        """The advice of the rules that speak now, the gravest first.

        ``evaluations`` are those that rules look at (``Seen``); None = none since the last step.
        """
        self._take({"step": step, **row})
        if evaluations is not None:
            self._evaluations = evaluations
        return self._ask(step, stall=None)

    def late(self, step: int, stall: Stall) -> list[Advice]:
        """The advice about a step that does not end; nothing before the first step."""
        return self._ask(step, stall=stall) if self._rows else []

    def _take(self, row: Row) -> None:
        if len(self._early) < EARLY:
            self._early.append(row)
        self._rows.append(row)

    def _ask(self, step: int, *, stall: Stall | None) -> list[Advice]:
        rows = list(self._rows)
        seen = Seen(
            early=self._early,
            latest=rows[-WINDOW:],
            rows=rows,
            evaluations=self._evaluations,
            settings=self._settings,
            stall=stall,
        )
        found = []
        for name, rule in self._rules.items():
            if step < self._silent_until.get(name, 0):
                continue
            said = rule.find(seen)
            if said is not None:
                found.append(advice_of(name, rule, said))
                self._silent_until[name] = step + QUIET_STEPS
        return sorted(found, key=lambda one: GRAVEST_FIRST.index(one.severity))


def own_rule(function: OwnRule) -> Rule:
    """A rule of a user's own among ours; what it says stands as it is."""
    return Rule(
        find=lambda seen: function(seen.early, seen.latest),
        about="objective",
        symptom="",
        cause="",
        fix="",
        knob="run.advisories",
        source="",
    )


def advice_of(name: str, rule: Rule, said: Said | str) -> Advice:
    """A finding, with the rule's own words where it has no better ones."""
    one = Said(text=said) if isinstance(said, str) else said
    return Advice(
        name=name,
        about=rule.about,
        severity=rule.severity,
        text=one.text,
        cause=one.cause or rule.cause,
        fix=one.fix or rule.fix,
        knob=one.knob or rule.knob,
    )
