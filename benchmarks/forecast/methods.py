"""Ways to foretell pass@k of these problems from counts."""

import numpy as np
from scipy.special import expit, logit

from planner.estimators.beta_binomial import fit_gated
from planner.estimators.power_law import fit_exponentiated, fit_failure, has_slope
from planner.forecast.grid import cell_pass_at_k
from planner.forecast.join import joined, measured
from planner.forecast.posterior import coverage, difficulty, draw, outcomes
from planner.forecast.predict import limits
from planner.forecast.reference import KS, Reference

Said = dict[str, float]
"""Method to value; with intervals also ``METHOD/low90`` and so on."""


def without_reference(counts: np.ndarray, k: int) -> Said:
    """Models fitted to the counts alone. Where a power law has no slope to fit, its forecast is the
    plug-in's."""
    n, c = counts[:, 0], counts[:, 1]
    fits = fit_gated(n, c)
    plug_in = float((1 - (1 - c / n) ** k).mean())
    slope = has_slope(n, c)
    return {
        "plug-in": plug_in,
        "beta-binomial": fits.plain.pass_at_k(k),
        "zero-inflated, gated": fits.chosen.pass_at_k(k),
        "beta-binomial, per problem": float(fits.plain.posterior_pass_at_k(n, c, k).mean()),
        "exponentiated power law": fit_exponentiated(n, c).pass_at_k(k) if slope else plug_in,
        "log-log power law": fit_failure(n, c).pass_at_k(k) if slope else plug_in,
        "NPMLE": npmle(n, c, k),
        **posterior("family alone", counts, k, None),
    }


def npmle(n: np.ndarray, c: np.ndarray, k: int, iterations: int = 300) -> float:
    """The non-parametric maximum-likelihood difficulty distribution (Kiefer and Wolfowitz 1956), by EM on the
    grid."""
    seen = outcomes(n, c)
    share = seen.multiplicity / seen.multiplicity.sum()
    weight = np.full(seen.kernel.shape[1], 1 / seen.kernel.shape[1])
    for _ in range(iterations):
        weight = weight * (share / (seen.kernel @ weight) @ seen.kernel)
    return float(weight @ cell_pass_at_k(k))


def posterior(name: str, counts: np.ndarray, k: int, prior: Reference | None) -> Said:
    """Ours, with 90% and 95% intervals."""
    seen = outcomes(counts[:, 0], counts[:, 1])
    draws = draw(seen, prior)
    mean, variance = coverage(draws, seen, k)
    said = {name: joined(measured(counts[:, 0], counts[:, 1]), difficulty(draws, seen))(k)}
    for percent in (90, 95):
        said[f"{name}/low{percent}"], said[f"{name}/high{percent}"] = limits(
            draws.weight, mean, variance, percent / 100
        )
    return said


def odds_growth(counts: np.ndarray, k: int, prior: Reference) -> float:
    """The baseline that the reference suggests: solved share at n moved by the others' mean growth of
    log-odds, in log k."""
    n, c = counts[:, 0], counts[:, 1]
    assert np.ptp(n) == 0, "for equal n"
    share = np.clip((c > 0).mean(), 0.5 / len(c), 1 - 0.5 / len(c))
    growth = prior.growth.mean(axis=0)
    knots = np.log(KS[: len(growth) + 1])
    at = np.log([n[0], k])
    beyond = np.maximum(at - knots[-1], 0) * growth[-1] / (knots[-1] - knots[-2])
    grown = np.interp(at, knots, np.append(0.0, np.cumsum(growth))) + beyond
    return float(expit(logit(share) + grown[1] - grown[0]))


def with_reference(counts: np.ndarray, k: int, references: dict[str, Reference]) -> Said:
    """Methods that know other populations, once for each reference."""
    said: Said = {}
    for name, prior in references.items():
        said[f"mean odds growth, {name}"] = odds_growth(counts, k, prior)
        said.update(posterior(name, counts, k, prior))
    return said
