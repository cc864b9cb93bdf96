"""Drawing prompts by weight, without replacement: what a stack does when a part has an opinion on categories or prompts."""

import numpy as np

from curricula.pool import PromptPool


def weighted_draw(
    rng: np.random.Generator,
    *,
    pool: PromptPool,
    num_prompts: int,
    category_logits: np.ndarray | None,
    prompt_logits: np.ndarray | None,
    exclude: np.ndarray | None = None,
) -> np.ndarray:
    """[num_prompts] distinct indices: categories by softmax of their logits, then prompts inside each by softmax of theirs.

    A category with too few prompts gives what it has, and the rest is drawn from the others. Without category logits all prompts
    compete.

    Args:
        rng: fixed by the context.
        pool: P prompts, C categories.
        num_prompts: at most P.
        category_logits: [C] or None.
        prompt_logits: [P] or None for equal weights; -inf is drawn only when nothing else is left.
        exclude: indices not to draw again, unless too few others are left; None = none.

    Raises:
        ValueError: if more prompts are asked for than the pool has.
    """
    if num_prompts > len(pool):
        raise ValueError(f"{num_prompts} distinct prompts asked of a pool of {len(pool)}: lower stream.prompts_per_step")
    # Gumbel keys: the n largest are a draw of n without replacement with probability proportional to exp(logit).
    keys = (0.0 if prompt_logits is None else prompt_logits) - np.log(rng.standard_exponential(len(pool)))
    out = np.zeros(0, dtype=np.int64) if exclude is None else np.unique(exclude)
    if len(pool) - len(out) < num_prompts:
        out = out[:0]
    keys[out] = -np.inf
    if category_logits is None:
        return _largest(keys, np.arange(len(pool)), num_prompts)
    sizes = np.array([len(members) for members in pool.by_category])
    taken = np.bincount(pool.categories[out], minlength=len(sizes))
    quotas = _quotas(rng, category_logits, sizes - taken, num_prompts)
    drawn = [_largest(keys, members, int(q)) for members, q in zip(pool.by_category, quotas, strict=True)]
    return rng.permutation(np.concatenate(drawn))


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


def _largest(keys: np.ndarray, members: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` members with the largest keys, largest first."""
    if count == 0:
        return members[:0]
    top = members[np.argpartition(-keys[members], count - 1)[:count]]
    return top[np.argsort(-keys[top], kind="stable")].astype(np.int64)
