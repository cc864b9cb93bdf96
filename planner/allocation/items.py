"""The samples of n queries as items with a gain and a cost in tokens: the common part of every parallel
allocation."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from planner.allocation.gains import coverage, gain_constant, log_gain, samples_worth


@dataclass(slots=True, kw_only=True)
class Items:
    """Columns over n queries. Prices are logs of gain per token."""

    a: np.ndarray
    b: np.ndarray
    cost: np.ndarray
    """[n] tokens of a sample."""
    prefill: np.ndarray
    """[n] tokens paid with the first."""
    log_value: np.ndarray
    """[n] log weight; -inf where a query is worth nothing."""
    block: np.ndarray
    """[n] samples of the first purchase: 1 without prefill."""
    constant: np.ndarray
    """[n] part of the log gain that does not depend on k."""
    opening: np.ndarray
    """[n] price of the first purchase."""
    floor: np.ndarray
    """[n] samples bought already."""
    k_max: int

    @classmethod
    def of(
        cls, a: ArrayLike, b: ArrayLike, cost: ArrayLike, *, weight: ArrayLike, prefill: ArrayLike, k_max: int
    ) -> "Items":
        """Checked columns.

        Raises:
            ValueError: naming the argument and the first query that is wrong.
        """
        a, b = np.atleast_1d(np.asarray(a, dtype=np.float64)), np.atleast_1d(np.asarray(b, dtype=np.float64))
        columns = np.broadcast_arrays(
            a, b, *(np.asarray(x, dtype=np.float64) for x in (cost, weight, prefill))
        )
        for name, column, low in zip(
            ("a", "b", "cost", "weight", "prefill"), columns, (1, 1, 1, 0, 0), strict=True
        ):
            wrong = ~np.isfinite(column) | ((column <= 0) if low else (column < 0))
            if wrong.any():
                at = int(np.argmax(wrong))
                raise ValueError(
                    f"{name}[{at}] is {column[at]}: it must be {'above 0' if low else 'at least 0'} and"
                    " finite"
                )
        a, b, cost, weight, prefill = columns
        with np.errstate(divide="ignore"):
            log_value = np.log(weight)
        empty = np.zeros(len(a), dtype=np.int64)
        items = cls(
            a=a,
            b=b,
            cost=cost,
            prefill=prefill,
            log_value=log_value,
            block=empty + 1,
            constant=gain_constant(a, b),
            opening=log_value,
            floor=empty,
            k_max=k_max,
        )
        items.block = items._blocks()
        gain = coverage(a, b, items.block) if prefill.any() else a / (a + b)
        items.opening = log_value + np.log(gain) - np.log(items.block * cost + prefill)
        return items

    def take(self, rows: np.ndarray) -> "Items":
        """The same for some of the queries."""
        columns = ("a", "b", "cost", "prefill", "log_value", "block", "constant", "opening", "floor")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def tokens(self, k: np.ndarray) -> np.ndarray:
        """[n] cost of k samples each."""
        return k * self.cost + np.where(k > 0, self.prefill, 0.0)

    def coverage(self, k: np.ndarray) -> np.ndarray:
        """[n] expected pass@k."""
        return coverage(self.a, self.b, k)

    def next_price(self, k: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Price of sample k + 1, prefill not included; k [rows]."""
        gain = self.constant[rows] + gammaln(self.b[rows] + k) - gammaln(self.a[rows] + self.b[rows] + k + 1)
        return self.log_value[rows] + gain - np.log(self.cost[rows])

    def counts(self, log_price: float) -> np.ndarray:
        """[n] samples bought at this price, the floor included."""
        target = log_price - self.log_value + np.log(self.cost) - self.constant
        wanted = samples_worth(self.a, self.b, target, self.k_max)
        opened = (self.opening >= log_price) | (self.floor > 0)
        return np.where(opened, np.maximum(wanted, np.where(self.floor > 0, self.floor, self.block)), 0)

    def bottom(self) -> float:
        """A price at which every query of any worth has ``k_max`` samples."""
        last = self.next_price(np.full(len(self.a), self.k_max - 1))
        lowest = np.minimum(last, self.opening)
        finite = lowest[np.isfinite(lowest)]
        return float(finite.min()) - 1e-9 if finite.size else 0.0

    def between(self, k: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Purchases with price in [low, high) beyond k, best first, ties by query: query, tokens, k
        afterwards, each [e]."""
        found = [self._openings(k, low)]
        first = np.where((k == 0) & (self.opening >= low), self.block, k)
        rows = np.flatnonzero((first > 0) & (first < self.k_max))
        price = self.next_price(first[rows], rows)
        at = first[rows]
        while rows.size:
            inside = price >= low
            rows, at, price = rows[inside], at[inside], price[inside]
            found.append((rows, price, at + 1))
            at = at + 1
            price = price + np.log((self.b[rows] + at - 1) / (self.a[rows] + self.b[rows] + at))
            room = at < self.k_max
            rows, at, price = rows[room], at[room], price[room]
        query, price, after = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((after, query, -price))
        query, after = query[order], after[order]
        opened = (k[query] == 0) & (after == self.block[query])
        tokens = np.where(
            opened, self.block[query] * self.cost[query] + self.prefill[query], self.cost[query]
        )
        return query, tokens, after

    def lowest_price(self, k: np.ndarray) -> float:
        """Least gain per token among the purchases beyond the floor that k stands for; infinite if there is
        none."""
        rows = np.flatnonzero(k > self.floor)
        if not rows.size:
            return float("inf")
        last = self.next_price(k[rows] - 1, rows)
        block = (k[rows] <= self.block[rows]) & (self.floor[rows] == 0)
        last[block] = np.minimum(last[block], self.opening[rows][block])
        return float(np.exp(last.min()))

    def _openings(self, k: np.ndarray, low: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = np.flatnonzero((k == 0) & (self.opening >= low))
        return rows, self.opening[rows], self.block[rows]

    def _blocks(self) -> np.ndarray:
        """[n] m that maximises coverage(m) / (m cost + prefill), by bisection on the sign of its growth."""
        low = np.ones(len(self.a), dtype=np.int64)
        if not self.prefill.any():
            return low
        high = np.full(len(self.a), self.k_max, dtype=np.int64)
        while (high > low).any():
            m = (low + high) // 2
            gain = np.exp(log_gain(self.a, self.b, m + 1))
            grows = gain * (m * self.cost + self.prefill) > self.cost * coverage(self.a, self.b, m)
            low, high = np.where(grows & (high > low), m + 1, low), np.where(grows, high, m)
        return low
