"""Right answers that training has gained on the held-out set, and the tokens that each of them cost.

See docs/methods/cost.md#what-a-step-costs.
"""

from collections.abc import Sequence
from pathlib import Path

from rl.views.evaluations import Counts, evaluation_file, read_counts

ANY_LIMIT = 0
"""A file of counts does not say the limit of a completion, and the gain does not depend on it."""


def extra_correct(before: Sequence[Counts], after: Sequence[Counts], temperature: float) -> float | None:
    """More right answers after than before, in one attempt at each problem: the sum of c/n over the problems
    that both have judged. None where they did not ask the same problems at ``temperature``."""
    rates = []
    for counts in (before, after):
        rows = [c.rows for c in counts if c.sampling.temperature == temperature]
        if not rows:
            return None
        rates.append({row["id"]: (row["c"] / row["n"] if row["n"] else None) for row in rows[0]})
    old, new = rates
    if old.keys() != new.keys():
        return None
    pairs = [(old[key], new[key]) for key in old]
    return sum(b - a for a, b in pairs if a is not None and b is not None)


def tokens_per_correct(tokens: float, extra: float | None) -> float | None:
    """Tokens sampled in training for each right answer gained; None where none was."""
    return tokens / extra if extra is not None and extra > 0 else None


def extra_correct_since_base(directory: Path, version: int, temperature: float) -> float | None:
    """``extra_correct`` of ``version`` against the base, from the files of both; None where one is not
    there."""
    files = [evaluation_file(directory, v) for v in (0, version)]
    if version == 0 or not all(file.is_file() for file in files):
        return None
    before, after = (read_counts(file, max_tokens=ANY_LIMIT, top_p=1.0) for file in files)
    return extra_correct(before, after, temperature)
