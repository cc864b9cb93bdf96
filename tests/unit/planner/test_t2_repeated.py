"""Repeated data: worked numbers of the formula, and made ladders whose R* is known."""

import numpy as np
import pytest

from planner.t2.chinchilla import ChinchillaLaw, fit_chinchilla
from planner.t2.family import fit_family
from planner.t2.repeated import (
    RANGE,
    effective_tokens,
    epochs_worth,
    fit_repeated,
    with_effective_tokens,
)
from planner.t2.rows import FamilyRows

LAW = ChinchillaLaw(E=0.4, A=40.0, B=300.0, alpha=0.35, beta=0.4)
GRID = [(n, r * n, u) for n in (5e4, 1e5, 2e5, 4e5) for r in (5, 20, 80, 320) for u in (1e6, 8e6)]
N, D, U = (np.array(x) for x in zip(*GRID, strict=True))


def test_tokens_seen_once_count_in_full_and_repeats_fade() -> None:
    assert effective_tokens([1e6, 2e6], [1e6, 5e6]).tolist() == [1e6, 2e6]
    four = effective_tokens(4e6, 1e6)
    assert four == pytest.approx(1e6 * (1 + 15.39 * (1 - np.exp(-3 / 15.39))))
    assert 3.6e6 < four < 4e6, "four epochs are nearly as good as new data"
    assert effective_tokens(1e12, 1e6) == pytest.approx(16.39e6)
    assert epochs_worth(0.5) == pytest.approx(1 + 15.39 * np.log(2))


@pytest.mark.parametrize("decay", [1.0, 4.0, 15.39])
def test_the_decay_of_a_made_ladder_is_found(decay: float) -> None:
    rng = np.random.default_rng(0)
    nll = LAW.loss(N, effective_tokens(D, U, decay)) * np.exp(0.002 * rng.standard_normal(len(N)))
    found = fit_repeated(N, D, U, nll)
    assert found.decay == pytest.approx(decay, rel=0.3)
    assert not found.bounded
    held = (3e5, 6e7, 4e6)
    truth = float(LAW.loss(held[0], effective_tokens(held[1], held[2], decay)))
    assert float(found.loss(*held)) == pytest.approx(truth, rel=0.02)


def test_a_fit_that_takes_repeats_for_new_data_is_worse() -> None:
    nll = LAW.loss(N, effective_tokens(D, U, 2.0))
    found = fit_repeated(N, D, U, nll)
    blind = fit_chinchilla(N, D, nll, restarts=20)
    assert found.error < 0.01 * float(((blind.loss(N, D) - nll) ** 2).sum())
    again = fit_repeated(N, D, U, LAW.loss(N, effective_tokens(D, U, 5.0)), start=found)
    assert again.decay == pytest.approx(5.0, rel=0.05), "a replicate begins at an earlier fit"


def test_repeats_that_cost_nothing_end_on_the_limit_and_are_said_to() -> None:
    found = fit_repeated(N, D, U, LAW.loss(N, D))
    assert found.bounded
    assert found.decay > RANGE[1] / 1.1


def test_the_family_surface_ranks_a_repeated_base_by_what_its_tokens_are_worth() -> None:
    """Two bases of one size saw 64M tokens, one of them only 1M distinct ones; both by one law in D'."""
    rng = np.random.default_rng(0)
    cells = [(n, d, u) for n in (1e5, 4e5) for d in (4e6, 16e6, 64e6) for u in (1e6, 64e6)]
    params, tokens, unique = (np.array(x) for x in zip(*cells, strict=True))
    worth = effective_tokens(tokens, unique, 2.0)
    mu = 1 / (1 + np.exp(-(1.5 - 1.2 * (params / 1e6) ** -0.3 - 4 * (worth / 1e6) ** -0.5)))
    checkpoint, problem = (x.ravel() for x in np.mgrid[: len(cells), :150])
    c = rng.binomial(64, rng.beta(2 * mu[checkpoint], 2 * (1 - mu[checkpoint])))
    rows = FamilyRows(
        params=params, tokens=tokens, post=np.zeros(len(cells)), categories=("all",), checkpoint=checkpoint,
        category=np.zeros_like(c), problem=problem, n=np.full_like(c, 64), c=c,
    )  # fmt: skip
    seen = with_effective_tokens(rows, unique, 2.0)
    blind, told = fit_family(rows, restarts=2), fit_family(seen, restarts=2)
    errors = [
        np.abs(fitted.accuracy(params, which.tokens, 1.0) - mu).mean()
        for fitted, which in ((blind, rows), (told, seen))
    ]
    assert errors[1] < 0.03 < errors[0]


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="saw a token twice"):
        fit_repeated(N, D, D, LAW.loss(N, D))
    with pytest.raises(ValueError, match="at least 7"):
        fit_repeated(N[:5], D[:5], U[:5], LAW.loss(N[:5], D[:5]))
    with pytest.raises(ValueError, match="above 0"):
        effective_tokens(1.0, 0.0)
