"""Drawing prompts by weight, without replacement: what a stack does when a part has an opinion on categories
or prompts.

See docs/methods/stack.md#from-weights-to-prompts.
"""

import numpy as np

from curricula.drawing.queues import Queue, Ranked, Shuffled
from curricula.drawing.walks import Walks
from curricula.pool import PromptPool

CLOSED = -1e12
"""Log-weight of prompts that come when no other is left: far below any other, and fine enough in float64 for
chance to decide among them."""


class WeightedOrder:
    """One draw without replacement, taken piece by piece: categories by softmax of their logits, prompts
    inside each by theirs.

    A category with too few prompts gives what it has, and the rest comes from the others. Without category
    logits all prompts compete. Weights are read once: a plan that passes over prompts goes on down the same
    order instead of weighing the pool again.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        pool: PromptPool,
        category_logits: np.ndarray | None,
        prompt_logits: np.ndarray | None,
        exclude: np.ndarray | None = None,
        walks: Walks | None = None,
    ) -> None:
        """Nothing is drawn yet.

        Args:
            rng: fixed by the context.
            pool: P prompts, C categories.
            category_logits: [C] or None.
            prompt_logits: [P] or None for equal weights; -inf is drawn only when nothing else is left.
            exclude: indices not to draw again, unless too few others are left; None = none.
            walks: lists to take the prompts of each category from, where prompts weigh alike; None = at
                random.
        """
        self._rng, self._pool = rng, pool
        self._category_logits, self._prompt_logits, self._walks = category_logits, prompt_logits, walks
        self._begin(np.zeros(0, dtype=np.int64) if exclude is None else np.unique(exclude))

    def take(self, count: int) -> np.ndarray:
        """[count] next distinct indices; prompts that were taken or excluded come again only when too few
        others are left.

        Raises:
            ValueError: if more prompts are asked for than the pool has.
        """
        if count > len(self._pool):
            raise ValueError(
                f"{count} distinct prompts asked of a pool of {len(self._pool)}: lower"
                " stream.prompts_per_step"
            )
        if sum(queue.left for queue in self._queues) < count:
            self._begin(np.zeros(0, dtype=np.int64))
        if self._category_logits is None:
            return self._queues[0].take(count)
        quotas = _quotas(
            self._rng, self._category_logits, np.array([queue.left for queue in self._queues]), count
        )
        drawn = [queue.take(int(quota)) for queue, quota in zip(self._queues, quotas, strict=True)]
        return self._rng.permutation(np.concatenate(drawn))

    def _begin(self, out: np.ndarray) -> None:
        """Every prompt but those at ``out`` [ascending] may come."""
        categories = self._pool.by_category if self._category_logits is not None else (None,)
        if self._prompt_logits is None and self._category_logits is not None and self._walks is not None:
            self._queues: list[Queue] = list(self._walks.queues(self._pool, out=out))
            return
        if self._prompt_logits is None:
            size = len(self._pool)
            self._queues = [Shuffled(self._rng, members, size=size, out=out) for members in categories]
            return
        # log E - logit with E exponential, ascending, is an order without replacement of weights exp(logit)
        # (Gumbel's trick).
        keys = self._rng.standard_exponential(len(self._pool))
        np.log(keys, out=keys)
        # At -inf all keys would be equal, and the same prompts would come first whenever these must serve.
        keys -= np.maximum(self._prompt_logits, CLOSED)
        keys[out] = np.nan
        self._queues = [Ranked(keys, members) for members in categories]


def weighted_draw(
    rng: np.random.Generator,
    *,
    pool: PromptPool,
    num_prompts: int,
    category_logits: np.ndarray | None,
    prompt_logits: np.ndarray | None,
    exclude: np.ndarray | None = None,
) -> np.ndarray:
    """[num_prompts] distinct indices; arguments and errors as of ``WeightedOrder``."""
    order = WeightedOrder(
        rng, pool=pool, category_logits=category_logits, prompt_logits=prompt_logits, exclude=exclude
    )
    return order.take(num_prompts)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities; stable for logits of any size, equal if all are -inf."""
    if np.isneginf(logits).all():
        return np.full(len(logits), 1 / len(logits))
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def _quotas(rng: np.random.Generator, logits: np.ndarray, sizes: np.ndarray, num_prompts: int) -> np.ndarray:
    """[C] prompts to take from each category, at most its size, summing to num_prompts."""
    quotas = np.zeros(len(sizes), dtype=np.int64)
    while (missing := num_prompts - int(quotas.sum())) > 0:
        open_to = np.flatnonzero(quotas < sizes)
        quotas[open_to] += rng.multinomial(missing, softmax(logits[open_to]))
        quotas = np.minimum(quotas, sizes)
    return quotas
