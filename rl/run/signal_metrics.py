"""Figures of a step's texts and verdicts in which a gamed reward shows. Pure functions, a few
milliseconds."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rollout.types import Rollout, RolloutGroup

LOOKED_AT = 64
"""Completions of a step, spread evenly, that are searched for repetition."""
LAST_TOKENS = 256
"""Tokens at the end of a completion that are searched: repetition is where a policy gets stuck."""
GRAM = 4
FEWEST_TOKENS = 32
"""Shorter completions have too few 4-grams to tell."""
DISTINCT = 0.5
"""Share of distinct 4-grams below which a text repeats itself."""
REASONS = 3
"""Reasons of verdicts that are kept, the commonest."""
ORDINARY = "wrong"
"""The reason that says nothing."""


def signal_metrics(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    """Repetition, the commonest text, the link of reward and length, the commonest reasons; nothing where
    nothing was judged."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    if not rollouts:
        return {}
    texts = Counter(rollout.text for rollout in rollouts)
    out = {"rollout/commonest_share": texts.most_common(1)[0][1] / len(rollouts)}
    spread = rollouts[:: max(1, len(rollouts) // LOOKED_AT)][:LOOKED_AT]
    out["rollout/repetition_share"] = sum(map(repeats_itself, spread)) / len(spread)
    linked = length_correlation(groups)
    if linked is not None:
        out["reward/length_corr"] = linked
    return out | reason_shares(rollouts)


def repeats_itself(rollout: Rollout) -> bool:
    """True if fewer than half of the 4-grams at the end of a completion are distinct."""
    tokens = np.asarray(rollout.completion.token_ids)[-LAST_TOKENS:]
    if len(tokens) < FEWEST_TOKENS:
        return False
    grams = np.lib.stride_tricks.sliding_window_view(tokens, GRAM)
    return len(np.unique(grams, axis=0)) < DISTINCT * len(grams)


def length_correlation(groups: Sequence[RolloutGroup]) -> float | None:
    """Pearson correlation of reward and length, both centred in their group, so that hard prompts with long
    answers do not count; None where either does not vary."""
    rewards, lengths = [], []
    for group in groups:
        if len(group.rollouts) > 1:
            length = np.array([len(r.completion.token_ids) for r in group.rollouts], dtype=np.float64)
            rewards.append(group.rewards - group.rewards.mean())
            lengths.append(length - length.mean())
    if not rewards:
        return None
    x, y = np.concatenate(rewards), np.concatenate(lengths)
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 1e-9 else None


def reason_shares(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """``reward/reason_NAME``: share of all verdicts, of the commonest reasons. What follows a colon is left
    out, and so is the plain 'wrong'."""
    words = (
        re.sub(r"[^a-z0-9]+", "_", r.result.reason.split(":")[0].lower()).strip("_")[:32] for r in rollouts
    )
    counts = Counter(word for word in words if word and word != ORDINARY)
    return {f"reward/reason_{word}": n / len(rollouts) for word, n in counts.most_common(REASONS)}
