"""All that is known of every prompt: the one columnar store that curricula and planner read. numpy only.

Rows are keyed by (prompt, sampling config) and exist only for what was observed; prompts are addressed by
their index in the pool, so a query is a gather over the indices asked for and never a pass over the pool.

See docs/methods/stack.md#pass-rates.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rollout.arrays import decode, encode, grown
from rollout.decayed import FAILURES, SUCCESSES, TOKENS, TRUNCATED, DecayedCounts
from rollout.lengths import LengthProfile, length_counts, profile, values_of
from rollout.types import RolloutStat
from rollout.visits import VisitBuffer

PassRateMode = Literal["beta", "decayed", "last_visit", "pooled16"]

POOLED_WINDOW = 16
STATE_VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCounts:
    """Decayed sums of one category."""

    successes: float
    failures: float
    tokens: float
    truncated: float
    num_observed: int
    """Rollouts ever, without decay."""

    @property
    def pass_rate(self) -> float:
        """Decayed successes over decayed rollouts; NaN before the first."""
        trials = self.successes + self.failures
        return self.successes / trials if trials > 0 else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPrompts:
    """Every prompt observed under one sampling config: what a prior is fitted to."""

    prompts: tuple[str, ...]
    """[K] ids, in order of first sight."""
    categories: tuple[str, ...]
    category: np.ndarray
    """[K] index into ``categories``."""
    successes: np.ndarray
    """[K] decayed."""
    failures: np.ndarray
    """[K] decayed."""


class StatisticsStore:
    """Decayed successes, failures, lengths and recent visits, by prompt and by category, never pooled over
    sampling configs.

    Every finished group arrives exactly once, kept or dropped. A truncated completion is a failure unless its
    reward said otherwise; an aborted one is no observation and never arrives.

    Counts fade as the policy moves on, and as a length budget moves: success under 256 tokens says little
    about success under 64. The *budget clock* is the sum of ``|log2(new / old)|`` over the changes so far; a
    group of clock c weighs ``budget_discount ** (now - c)``.
    """

    def __init__(
        self,
        prompt_ids: Sequence[str],
        *,
        sampling_key: str,
        discount: float = 0.9,
        budget_discount: float = 0.5,
    ) -> None:
        """One pass over the ids, once.

        Args:
            prompt_ids: the pool's ids; index i in every query means ``prompt_ids[i]``. Ids met later get the
                next indices.
            sampling_key: ``SamplingConfig.key`` that queries mean unless told otherwise.
            discount: weight of one policy version's age; counts of version v weigh ``discount**(now - v)``.
            budget_discount: weight of what was drawn before the length budget halved (or doubled) once.
        """
        self.sampling_key = sampling_key
        self.version = 0
        """Newest policy version observed; queries decay to it."""
        self.budget_clock = 0.0
        """Halvings and doublings of the length budget so far; queries decay to it."""
        self._budget: float | None = None
        self._index = {prompt_id: index for index, prompt_id in enumerate(prompt_ids)}
        if len(self._index) != len(prompt_ids):
            raise ValueError("prompt ids are not unique: statistics would mix prompts")
        self._rows: dict[str, np.ndarray] = {}
        self._row_keys: list[tuple[str, str]] = []
        self._counts = DecayedCounts(discount, budget_discount)
        self._visits = VisitBuffer()
        self._category_rows: dict[tuple[str, str], int] = {}
        self._row_category = np.zeros(0, dtype=np.int64)
        """[capacity] category row of each prompt's latest group."""
        self._categories = DecayedCounts(discount, budget_discount)
        self._lengths = length_counts(discount, budget_discount)

    @property
    def discount(self) -> float:
        """Weight of one policy version's age."""
        return self._counts.discount

    @property
    def num_rows(self) -> int:
        """Observed (prompt, sampling config) pairs. (No ``__len__``: an empty store must not be falsy.)"""
        return len(self._row_keys)

    def index_of(self, prompt_id: str) -> int:
        """Index of a prompt id; an unknown id gets the next one."""
        return self._index.setdefault(prompt_id, len(self._index))

    def has(self, prompt_id: str) -> bool:
        """True if the id is in the pool or was met since."""
        return prompt_id in self._index

    def set_budget(self, tokens: float) -> None:
        """The length budget of what is drawn from now on; the first one moves no clock."""
        if self._budget is not None:
            self.budget_clock += abs(math.log2(tokens / self._budget))
        self._budget = tokens

    def add(self, stat: RolloutStat, *, budget_clock: float | None = None) -> None:
        """Count one finished group; O(1). ``budget_clock`` is the clock when its plan was drawn; None =
        now."""
        clock = self.budget_clock if budget_clock is None else budget_clock
        if not 0 <= stat.num_correct <= stat.num_rollouts or stat.num_rollouts < 1:
            raise ValueError(
                f"prompt {stat.prompt_id}: {stat.num_correct} correct of {stat.num_rollouts} rollouts is no"
                " observation"
            )
        row = self._row(stat.prompt_id, stat.sampling_key)
        self._counts.add(row, stat, clock=clock)
        self._visits.add(row, num_rollouts=stat.num_rollouts, num_correct=stat.num_correct, clock=clock)
        category = (stat.category, stat.sampling_key)
        if category not in self._category_rows:
            self._category_rows[category] = self._categories.new_row()
            self._lengths.new_row()
        category_row = self._category_rows[category]
        self._categories.add(category_row, stat, clock=clock)
        self._lengths.add_values(category_row, values_of(stat), stat, clock=clock)
        self._row_category = grown(self._row_category, row + 1)
        self._row_category[row] = category_row
        self.version = max(self.version, stat.min_policy_version)

    def pass_rate(
        self, indices: np.ndarray, *, mode: PassRateMode = "pooled16", sampling_key: str | None = None
    ) -> np.ndarray:
        """[K] float64 estimates of single-sample success for prompts [K].

        Modes: ``beta`` posterior mean (s + 1) / (s + f + 2) of decayed counts, 0.5 if unseen; ``decayed`` s /
        (s + f); ``last_visit`` and ``pooled16`` read raw outcomes (see ``VisitBuffer.pass_rate``). All but
        ``beta`` give NaN where nothing was observed.
        """
        rows = self._gather(indices, sampling_key)
        if mode == "last_visit":
            return self._visits.pass_rate(rows, window=0)
        if mode == "pooled16":
            return self._visits.pass_rate(
                rows, window=POOLED_WINDOW, budget_discount=self._counts.budget_discount
            )
        sums = self._counts.at(rows, version=self.version, clock=self.budget_clock)
        successes, failures = sums[:, SUCCESSES], sums[:, FAILURES]
        if mode == "beta":
            return (successes + 1) / (successes + failures + 2)
        return _ratio(successes, successes + failures)

    def counts(
        self, indices: np.ndarray, *, sampling_key: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """[K] decayed successes and [K] decayed failures, as of the newest version observed and the present
        length budget."""
        sums = self._counts.at(
            self._gather(indices, sampling_key), version=self.version, clock=self.budget_clock
        )
        return sums[:, SUCCESSES], sums[:, FAILURES]

    def num_observed(self, indices: np.ndarray, *, sampling_key: str | None = None) -> np.ndarray:
        """[K] int64 rollouts ever counted, without decay; 0 means unseen, which is not unsolvable."""
        rows = self._gather(indices, sampling_key)
        out = np.zeros(len(rows), dtype=np.int64)
        out[rows >= 0] = self._counts.total[rows[rows >= 0]]
        return out

    def num_comparable(self, indices: np.ndarray, *, sampling_key: str | None = None) -> np.ndarray:
        """[K] float64 rollouts ever counted, discounted by changes of the length budget since, and by nothing
        else.

        Equal to ``num_observed`` without a length curriculum. Ask this one whether a pass rate is to be
        trusted.
        """
        return self._counts.comparable_at(self._gather(indices, sampling_key), clock=self.budget_clock)

    def mean_tokens(self, indices: np.ndarray, *, sampling_key: str | None = None) -> np.ndarray:
        """[K] decayed mean completion length in tokens; NaN if unseen."""
        sums = self._counts.at(
            self._gather(indices, sampling_key), version=self.version, clock=self.budget_clock
        )
        return _ratio(sums[:, TOKENS], sums[:, SUCCESSES] + sums[:, FAILURES])

    def categories(self, *, sampling_key: str | None = None) -> dict[str, CategoryCounts]:
        """Aggregates by category name, sorted, for categories observed under the sampling config."""
        key = self.sampling_key if sampling_key is None else sampling_key
        rows = {category: row for (category, used), row in self._category_rows.items() if used == key}
        names = sorted(rows)
        places = np.array([rows[name] for name in names], dtype=np.int64)
        sums = self._categories.at(places, version=self.version, clock=self.budget_clock)
        return {
            name: CategoryCounts(
                successes=float(values[SUCCESSES]),
                failures=float(values[FAILURES]),
                tokens=float(values[TOKENS]),
                truncated=float(values[TRUNCATED]),
                num_observed=int(self._categories.total[rows[name]]),
            )
            for name, values in zip(names, sums, strict=True)
        }

    def lengths(self, category: str, *, sampling_key: str | None = None) -> LengthProfile:
        """Decayed lengths of one category, given right and given wrong; empty if it was not observed."""
        key = self.sampling_key if sampling_key is None else sampling_key
        row = np.array([self._category_rows.get((category, key), -1)])
        return profile(self._lengths.at(row, version=self.version, clock=self.budget_clock)[0])

    def category_of(self, indices: np.ndarray, *, sampling_key: str | None = None) -> list[str | None]:
        """[K] category that each prompt was last seen in; None if unseen."""
        names = [name for name, _ in self._category_rows]
        rows = self._gather(indices, sampling_key)
        return [names[self._row_category[row]] if row >= 0 else None for row in rows]

    def observed(self, *, sampling_key: str | None = None) -> ObservedPrompts:
        """Decayed counts of every prompt observed, with its category: O(prompts observed), for refits and not
        for every step."""
        key = self.sampling_key if sampling_key is None else sampling_key
        table = self._rows.get(key, np.zeros(0, dtype=np.int64))
        rows = np.sort(table[table >= 0])
        sums = self._counts.at(rows, version=self.version, clock=self.budget_clock)
        return ObservedPrompts(
            prompts=tuple(self._row_keys[row][0] for row in rows),
            categories=tuple(name for name, _ in self._category_rows),
            category=self._row_category[rows],
            successes=sums[:, SUCCESSES],
            failures=sums[:, FAILURES],
        )

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, exact, as large as what was observed; ids, not indices, so that the pool may be
        reordered or grow."""
        return {
            "state_version": STATE_VERSION,
            "discount": self._counts.discount,
            "budget_discount": self._counts.budget_discount,
            "version": self.version,
            "budget_clock": self.budget_clock,
            "budget": self._budget,
            "rows": [list(key) for key in self._row_keys],
            "counts": self._counts.state_dict(),
            "visits": self._visits.state_dict(len(self._row_keys)),
            "category_rows": [list(key) for key in self._category_rows],
            "categories": self._categories.state_dict(),
            "row_category": encode(self._row_category[: len(self._row_keys)]),
            "lengths": self._lengths.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace everything observed. The sampling key and the pool stay the constructor's.

        Raises:
            ValueError: if the state was written by another format or under another discount.
        """
        if state["state_version"] != STATE_VERSION:
            raise ValueError(
                f"statistics state of version {state['state_version']}: this build reads {STATE_VERSION}"
            )
        for name in ("discount", "budget_discount"):
            if state[name] != getattr(self._counts, name):
                raise ValueError(
                    f"curriculum.{name} was {state[name]} when the statistics were saved, now"
                    f" {getattr(self._counts, name)}"
                )
        self.version = state["version"]
        self.budget_clock, self._budget = state["budget_clock"], state["budget"]
        self._rows, self._row_keys = {}, []
        for prompt_id, key in state["rows"]:
            self._place(prompt_id, key)
        self._counts.load_state_dict(state["counts"])
        self._visits.load_state_dict(state["visits"])
        self._category_rows = {
            (category, key): row for row, (category, key) in enumerate(state["category_rows"])
        }
        self._categories.load_state_dict(state["categories"])
        self._row_category = decode(state["row_category"])
        self._lengths.load_state_dict(state["lengths"])

    def _gather(self, indices: np.ndarray, sampling_key: str | None) -> np.ndarray:
        """[K] int64 row of each prompt index, -1 if nothing was observed."""
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and not 0 <= indices.min() <= indices.max() < len(self._index):
            raise ValueError(f"prompt indices must lie in 0..{len(self._index) - 1}")
        table = self._rows.get(self.sampling_key if sampling_key is None else sampling_key)
        if table is None:
            return np.full(len(indices), -1, dtype=np.int64)
        return grown(table, len(self._index), fill=-1)[indices]

    def _row(self, prompt_id: str, key: str) -> int:
        table = self._rows.get(key)
        index = self.index_of(prompt_id)
        if table is not None and index < len(table) and table[index] >= 0:
            return int(table[index])
        self._place(prompt_id, key)
        return self._counts.new_row()

    def _place(self, prompt_id: str, key: str) -> None:
        """Give (prompt, sampling config) the next row number."""
        index = self.index_of(prompt_id)
        table = grown(
            self._rows.get(key, np.zeros(0, dtype=np.int64)), max(index + 1, len(self._index)), fill=-1
        )
        table[index] = len(self._row_keys)
        self._rows[key] = table
        self._row_keys.append((prompt_id, key))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Elementwise quotient, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0)
