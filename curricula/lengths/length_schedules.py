"""How a length budget falls over a run. Pure functions of the step; budgets in tokens, as floats.

See docs/methods/lengths.md#train-long-think-short.
"""


def exponential(step: int, *, start: float, gamma: float, every: int, least: float = 1.0) -> float:
    """``max(least, start * gamma ** (step // every))`` (Train Long, Think Short, arXiv 2508.08940).

    Example: start 256, gamma .7, every 150: 256 up to step 149, then 179.2, 125.44, 87.808 from step 450 on.
    """
    return max(least, start * gamma ** (step // every))


def interpolated(
    step: int, *, start: float, final: float, decays: int, total_steps: int, linear: bool = False
) -> float:
    """From ``start`` to ``final`` in ``decays`` equal steps, in the logarithm or ``linear``; each level lasts
    total / (decays + 1).

    Example: 256 to 87 in 3 decays: 256, 178.65, 124.67, 87; linear 256, 199.67, 143.33, 87. Over 600 steps
    each lasts 150.
    """
    level = min(decays, step * (decays + 1) // max(total_steps, 1))
    if linear:
        return start + (final - start) * level / decays
    return start * (final / start) ** (level / decays)


def continuous(step: int, *, start: float, gamma: float, per: float, least: float) -> float:
    """``max(least, start * gamma ** (step / per))``: decay without levels (Reinforcement Mid-Training, arXiv
    2509.24375).

    Example: start 512, gamma .5, per 100, least 32: steps 0, 100, 250, 1000 give 512, 256, 90.51, 32.
    """
    return max(least, start * gamma ** (step / per))
