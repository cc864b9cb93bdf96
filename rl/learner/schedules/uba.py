"""The unified budget-aware schedule (Tang et al. 2025, "Stepsize anything", arXiv 2505.24452), one cycle of
it."""

import math

from rl.config.learner import LearnerConfig
from rl.learner.schedules.moment import Moment


def uba(moment: Moment, config: LearnerConfig) -> float:
    """``2 c / (2 phi + (2 - phi) c)`` with ``c = 1 + cos(pi p)``, p the share of the way gone and phi
    ``schedule_phi``.

    phi = 0 is constant (but for the last update), phi = 2 the cosine, larger ones fall faster; halfway it is
    ``2 / (2 + phi)``. The closed form is given as known and as a public implementation has it; the paper's
    own text was not at hand to compare.
    """
    c, phi = 1 + math.cos(math.pi * moment.progress), config.schedule_phi
    # At the very end c is 0, and with phi = 0 the quotient is 0/0: the floor is what a schedule of a budget
    # ends on.
    return 0.0 if moment.elapsed == moment.span else 2 * c / (2 * phi + (2 - phi) * c)
