"""Types that every rule shares: what it looks at, what it finds, and what is then said."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Row = Mapping[str, float]
History = Sequence[Row]
About = Literal["objective", "system", "truth"]
Severity = Literal["note", "warning", "critical"]

EARLY = 5
"""Rows that say what is normal for a run."""
WINDOW = 3
"""Latest rows that must agree before a rule speaks."""
LONG = 200
"""Newest rows that a rule about a trend may look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """One evaluation of one policy version."""

    version: int
    """Optimizer steps behind it."""
    rates: Mapping[str, float]
    """Problem id -> share of its judged completions that were right."""
    categories: Mapping[str, str] = field(default_factory=dict)
    """Problem id -> category."""
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Suite -> its problems' rates (of a text: minus its passages' bits a byte), where it was evaluated at
    this version; in no mean."""

    @property
    def mean(self) -> float:
        """Mean over the problems; 0 without any."""
        return statistics.fmean(self.rates.values()) if self.rates else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """A step that has not come to its end."""

    waited_s: float
    """Since the last step ended, evaluations left out."""
    median_s: float
    """Median of the steps so far."""
    waits: Mapping[str, str] = field(default_factory=dict)
    """Loop -> what it waits for now, of the loops that wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that a rule may look at; there is at least one row."""

    early: History
    """The first ``EARLY`` rows of the run, or fewer."""
    latest: History
    """The newest ``WINDOW`` rows, or fewer."""
    rows: History
    """The newest ``LONG`` rows."""
    evaluations: Sequence[HeldOut] = ()
    """At the first sampling temperature, oldest version first: at least the first, the newest, the best
    before it, and the first and the newest with each suite."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The run's config as a tree."""
    stall: Stall | None = None
    """Set while a step is late; only then do rules that read it speak."""

    def setting(self, name: str, default: Any = None) -> Any:
        """One value of the config by its dotted name, such as ``stream.max_staleness``."""
        value: Any = self.settings
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return default
            value = value[part]
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One finding of a rule. What is left empty is taken from the rule."""

    text: str
    """The finding, with its numbers."""
    cause: str = ""
    fix: str = ""
    knob: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule with what docs/advice.md tells of it."""

    find: Callable[[Seen], Said | str | None]
    """None, or what is wrong; a string is its text."""
    about: About
    symptom: str
    """When it speaks, in words, with its thresholds."""
    cause: str
    """The likeliest one."""
    fix: str
    """The way out, in words."""
    knob: str
    """Config fields and commands that do it, with commas between."""
    source: str
    """Where the thresholds come from."""
    severity: Severity = "warning"
    of_rows: bool = True
    """It reads the windows of metric rows alone, as a rule of a user's own does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One piece of advice, as it is printed and kept in ``advisories.jsonl``."""

    name: str
    about: About
    severity: Severity
    text: str
    cause: str = ""
    fix: str = ""
    knob: str = ""

    def line(self) -> str:
        """For the screen: what was seen, the likely cause, what to do and where."""
        parts = [self.text, self.cause and f"Likely cause: {self.cause}", self.fix and f"Fix: {self.fix}"]
        knob = f" [{self.knob}]" if self.knob else ""
        return f"{self.name}: {'. '.join(part.rstrip('.') for part in parts if part)}{knob}"


OwnRule = Callable[[History, History], "Said | str | None"]
"""A rule of a user's own: (first rows, latest rows) -> None, or what is wrong and what to do."""

HEALTHY: Row = {
    "loss/entropy": 1.0,
    "loss/kl_behavior_k3": 0.001,
    "loss/kl_reference": 0.01,
    "loss/ratio_clipped_frac": 0.02,
    "learner/logprob_gap": 0.01,
    "learner/zero_advantage_frac": 0.3,
    "learner/applied": 1.0,
    "learner/trained_tokens": 100.0,
    "loss/dropped_tokens": 0.0,
    "critic/explained_variance": 0.4,
    "reward/mean": 0.4,
    "reward/std": 0.5,
    "reward/pass_rate": 0.4,
    "reward/unjudged": 0.0,
    "reward/length_corr": 0.0,
    "reward/reason_no_answer": 0.1,
    "reward/battery_tried": 40.0,
    "reward/battery_accepted": 0.0,
    "rollout/rollouts": 64.0,
    "rollout/truncated_share": 0.1,
    "rollout/length_mean_tokens": 50.0,
    "rollout/repetition_share": 0.02,
    "rollout/commonest_share": 0.05,
    "buffer/at_bound_share": 0.2,
    "sync/push_s": 0.1,
    "time/step_s": 2.0,
    "time/learner_idle_share": 0.3,
    "time/engine_idle_share": 0.2,
    "time/queue_s": 0.1,
    "time/generation_s": 1.0,
    "system/disk_free_gb": 100.0,
    "system/memory_free_gb": 50.0,
    "system/memory_free_share": 0.5,
    "planner/posterior_bias": 0.02,
}
"""A row of a run that has nothing wrong with it, as far as rules read it."""

HEALTHY_SETTINGS: Mapping[str, Any] = {
    "stream": {"max_staleness": 4, "prompts_per_step": 32, "rollouts_per_prompt": 16},
    "rollout": {"num_engines": 2, "num_threads": 1, "device": "cpu", "max_tokens": 64},
    "learner": {"num_ranks": 2, "num_threads": 1},
}
"""Settings of such a run."""


def start_of(early: History, key: str) -> float | None:
    """Median of a run's first rows; None until there are enough."""
    values = [row[key] for row in early if row.get(key) is not None]
    return statistics.median(values) if len(values) >= EARLY else None


def agreed(latest: History, key: str, weakest: Callable[[Sequence[float]], float]) -> float | None:
    """The least alarming of the latest values; None unless there is a full window of them."""
    values = [row[key] for row in latest if row.get(key) is not None]
    return weakest(values) if len(values) == WINDOW else None
