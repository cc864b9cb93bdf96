"""The contract of an advisory, as checks that run on outside code too: ``t2rl advisories check``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from rl.records.advisories.base import (
    EARLY,
    HEALTHY,
    HEALTHY_SETTINGS,
    WINDOW,
    OwnRule,
    Row,
    Rule,
    Said,
    Seen,
)
from rollout.contract import Finding, require, run_checks

EXTREMES = (0.0, 1.0, -1.0, 1e9, -1e9)
LENGTHS = (1, WINDOW - 1, WINDOW, EARLY, EARLY + WINDOW)
MOST_KEYS = 6
"""Keys of which all pairs are tried."""


class _Read(dict[str, float]):
    """A metric row that notes which keys are asked for."""

    def __init__(self, row: Mapping[str, float], keys: set[str]) -> None:
        super().__init__(row)
        self._keys = keys

    def __getitem__(self, key: str) -> float:
        self._keys.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._keys.add(str(key))
        return super().__contains__(key)

    def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
        """As of a mapping."""
        self._keys.add(key)
        return super().get(key, default)


@dataclass(frozen=True, kw_only=True)
class AskedAdvisory:
    """A rule with the keys that it was seen to read."""

    rule: OwnRule
    keys: set[str] = field(default_factory=set)

    def __call__(self, rows: list[Mapping[str, float]]) -> str | None:
        """Its text about a run of these rows, checked for its type."""
        seen = [_Read(row, self.keys) for row in rows]
        said = self.rule(seen[:EARLY], seen[-WINDOW:])
        text = said.text if isinstance(said, Said) else said
        require(
            text is None or (isinstance(text, str) and bool(text.strip())),
            f"it gives {said!r}; give None, or what is wrong and what to do",
        )
        require([dict(row) for row in seen] == [dict(row) for row in rows], "it changes the rows")
        return text

    def sick(self) -> Iterator[list[Mapping[str, float]]]:
        """Runs that have one or two of its figures at an extreme, at the end or all the time."""
        keys = sorted(self.keys)[:MOST_KEYS]
        for first, second in product(keys, keys):
            for one, other in product(EXTREMES, EXTREMES):
                ill = {**HEALTHY, first: one, second: other}
                yield [HEALTHY] * EARLY + [ill] * WINDOW
                yield [ill] * (EARLY + WINDOW)


def short_runs(asked: AskedAdvisory) -> None:
    """It says nothing of a healthy run of any length, and fails on none that is short or lacks its keys."""
    for length in LENGTHS:
        for row in ({}, HEALTHY):
            text = asked([row] * length)
            require(
                text is None,
                f"after {length} rows {'of nothing' if not row else 'in health'} it says {text!r}",
            )


def quiet_in_health(asked: AskedAdvisory) -> None:
    """A healthy run hears nothing of it."""
    text = asked([HEALTHY] * (EARLY + WINDOW))
    require(text is None, f"of a healthy run it says {text!r}")


def speaks(asked: AskedAdvisory) -> None:
    """Some extreme of the figures that it reads makes it speak."""
    quiet_in_health(asked)
    require(bool(asked.keys), "it reads no figure of a row")
    require(
        any(asked(rows) is not None for rows in asked.sick()),
        f"it reads {', '.join(sorted(asked.keys))}, and no extreme of them makes it speak: is a key misspelt?"
        " (docs/metrics.md has all of them)",
    )


def repeats(asked: AskedAdvisory) -> None:
    """The same rows get the same text: a resumed run asks a rule that has seen nothing."""
    quiet_in_health(asked)
    for rows in asked.sick():
        require(asked(rows) == asked(rows), "asked twice about the same rows, it answers twice")


CHECKS: Mapping[str, Callable[[AskedAdvisory], None]] = {
    "fails on no short run": short_runs,
    "quiet about a healthy run": quiet_in_health,
    "speaks of some extreme": speaks,
    "same rows, same text": repeats,
}
"""Name -> check, in the order to run them."""


def check_advisory(rule: OwnRule) -> list[Finding]:
    """Run every check on a rule."""
    return run_checks(CHECKS, AskedAdvisory(rule=rule))


def as_own(rule: Rule) -> OwnRule:
    """One of ours that reads rows alone, in the form of a user's own: in a run with healthy settings."""

    def ask(early: Sequence[Row], latest: Sequence[Row]) -> Said | str | None:
        rows = [*early, *latest]
        return rule.find(Seen(early=early, latest=latest, rows=rows, settings=HEALTHY_SETTINGS))

    return ask
