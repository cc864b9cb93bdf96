"""Fixed shares of a mixture's parts, each part once per epoch of its own."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.pool import PromptPool

PERIOD = 1000
"""Prompts after which the pattern of parts begins anew; a share is met to one in this many."""
Weight = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True)
class SharesSampler(Curriculum):
    """Prompts of each part in their share of the draws, spread evenly; inside of a part a seeded shuffle of
    each of its epochs.

    A part is what a category begins with, up to its first slash. The cursor counts prompts since the start of
    the run and is all there is to remember.
    """

    weights: dict[str, Weight] = Field(default_factory=dict)
    """Part -> share, relative to the others'; equal shares where empty."""

    def check_pool(self, pool: PromptPool) -> None:
        """Weights must name just the pool's parts."""
        parts = set(parts_of(pool))
        if self.weights and set(self.weights) != parts:
            raise ValueError(
                f"args.weights names {sorted(self.weights)}, but the prompts' parts are {sorted(parts)}"
            )

    def draw(self, ctx: Ctx, cursor: int, num_prompts: int) -> tuple[np.ndarray, int]:
        """The next prompts in line."""
        parts = parts_of(ctx.pool)
        weights = [self.weights.get(name, 1.0) for name in parts]
        pattern = part_pattern(np.array(weights))
        places = np.arange(cursor, cursor + num_prompts)
        chosen = pattern[places % PERIOD]
        out = np.empty(num_prompts, dtype=np.int64)
        for code, members in enumerate(parts.values()):
            here = np.flatnonzero(chosen == code)
            before = np.concatenate([[0], np.cumsum(pattern == code)])
            turns = places[here] // PERIOD * before[-1] + before[places[here] % PERIOD]
            epochs, offsets = np.divmod(turns, len(members))
            for epoch in np.unique(epochs):
                order = np.random.default_rng([ctx.seed, code, int(epoch), len(members)]).permutation(members)
                out[here[epochs == epoch]] = order[offsets[epochs == epoch]]
        return out, cursor + num_prompts


def parts_of(pool: PromptPool) -> Mapping[str, np.ndarray]:
    """Part -> indices of its prompts, ascending; parts by name."""
    found: dict[str, list[np.ndarray]] = {}
    for name, members in zip(pool.category_names, pool.by_category, strict=True):
        found.setdefault(name.partition("/")[0], []).append(members)
    return {name: np.sort(np.concatenate(found[name])) for name in sorted(found)}


def part_pattern(weights: np.ndarray) -> np.ndarray:
    """[PERIOD] part of each place, every part with its share (largest remainders, one place at least) and as
    evenly spread as it goes."""
    exact = weights / weights.sum() * PERIOD
    counts = np.maximum(np.floor(exact), 1).astype(np.int64)
    while counts.sum() != PERIOD:
        gap = exact - counts
        counts[np.argmax(gap) if counts.sum() < PERIOD else np.argmin(gap)] += np.sign(PERIOD - counts.sum())
    times = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
    codes = np.repeat(np.arange(len(counts)), counts)
    return codes[np.lexsort((codes, times))]
