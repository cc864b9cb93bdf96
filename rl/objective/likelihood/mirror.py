"""Online mirror descent: REINFORCE with a squared log-ratio of the whole answer that holds it near the
sampler (Kimi k1.5).

See docs/methods/objectives.md#mirror-descent.
"""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.likelihood.terms import Terms
from rl.objective.sequences import sequence_sum
from rl.objective.shapes import PerToken


def mirror(terms: Terms, config: AlgorithmConfig) -> PerToken:
    """[T] whose sum over an answer is ``-A R + tau / 2 R^2``, R the log-ratio of the answer (arXiv
    2501.12599, eq. 3).

    The gradient is ``-(A - tau R) d log p(answer)``; it needs every sample, since R alone has one where A is
    0.
    """
    kept = (terms.bounded.detach() == terms.ratio.detach()) & terms.usable
    answer = sequence_sum(terms.log_ratio, terms.sequence, kept)
    size = sequence_sum(torch.ones_like(answer), terms.sequence, kept).clamp(min=1)
    # The square belongs to the answer; every token carries the same share of it.
    loss = -terms.advantages * terms.log_ratio + config.mirror_tau / 2 * answer.square() / size
    return torch.where(kept, loss, 0.0)
