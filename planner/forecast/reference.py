"""The shape of other models' pass@k curves: how much the log-odds of pass@k grow from one k to the next.

On one benchmark they grow by nearly the same amounts whatever the model (seven models on 89 MATH problems:
1.28 to 1.37 from k = 1 to 4, .75 to .98 from 64 to 256); on another benchmark by others (GSM8K: 1.05 to 1.33
from 64 to 256). The level is what tells models apart. So the level stays free, and only the growths get a
prior: a narrow one from other models on the same benchmark, if you have their counts (``from_counts``), else
a broad one (``shipped``).
"""

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from planner.estimators.counts import checked
from planner.estimators.pass_at_k import pass_at_k
from planner.forecast.grid import cell_pass_at_k

KS = (1, 4, 16, 64, 256, 1024)
"""Where curves are compared, as far as the samples of every population reach."""
LEAST = 256
FLOORS = (0.03, 0.05, 0.1, 0.2, 0.3, 0.5)
_HEAVY = 5.0
_REACH = np.stack([cell_pass_at_k(k) for k in KS], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Growths of several populations, and the prior they give: a multivariate t, so that data which disagree
    win."""

    names: tuple[str, ...]
    growth: np.ndarray
    """[J, D] log-odds of pass@k at each of the first D + 1 of ``KS`` less that at the one before."""
    floor: float = field(init=False)
    """Standard deviation added to every growth, chosen so that each population is best foretold by the
    others."""

    def __post_init__(self) -> None:
        if len(self.names) != len(self.growth) or len(self.names) < 3:
            raise ValueError(
                f"reference of {len(self.names)} populations: at least 3 are needed to know how much they"
                " differ"
            )
        object.__setattr__(self, "floor", max(FLOORS, key=self._left_out))

    def without(self, name: str) -> "Reference":
        """The same less every population whose name ends in ``name`` (a model's), for forecasts that have not
        seen it."""
        keep = [i for i, other in enumerate(self.names) if not other.endswith(name)]
        return Reference(names=tuple(self.names[i] for i in keep), growth=self.growth[keep])

    def log_prior(self, density: np.ndarray) -> np.ndarray:
        """[S] of difficulty distributions [S, G], up to a constant."""
        return _log_t_density(growths(density, self.growth.shape[1]), self.growth, self.floor)

    def _left_out(self, floor: float) -> float:
        rows = range(len(self.growth))
        return sum(
            float(_log_t_density(self.growth[i : i + 1], np.delete(self.growth, i, axis=0), floor)[0])
            for i in rows
        )


def from_counts(populations: dict[str, tuple[ArrayLike, ArrayLike]]) -> Reference:
    """A reference from your own counts, e.g. of earlier checkpoints or other models.

    Args:
        populations: name to (n [M], c [M]); every n at least 256. Growths are taken as far as the smallest n
            allows without bias, to 1024 at most; the farther, the better.

    Raises:
        ValueError: fewer than 3 populations, too few samples, or one that solves nothing or everything.
    """
    counts = {name: checked(n, c) for name, (n, c) in populations.items()}
    for name, (trials, right) in counts.items():
        if trials.min() < LEAST:
            raise ValueError(
                f"reference {name}: {trials.min()} samples of a problem; each needs at least {LEAST}"
            )
        if not right.any() or np.all(right == trials):
            raise ValueError(f"reference {name}: nothing, or everything, was solved: no growth there")
    smallest = min((int(trials.min()) for trials, _ in counts.values()), default=LEAST)
    ks = [k for k in KS if k <= smallest]
    curves = np.array([[pass_at_k(trials, right, k).mean() for k in ks] for trials, right in counts.values()])
    if np.any(curves >= 1):
        raise ValueError(
            f"reference: a population has every problem solved within {ks[-1]} samples: no growth is left to"
            " compare"
        )
    return Reference(names=tuple(populations), growth=np.diff(_log_odds(curves)))


@cache
def shipped() -> Reference:
    """The reference of ``reference.json``: growths of 16 public populations (seven models, two benchmarks),
    with their source."""
    content = json.loads(files("planner.forecast").joinpath("reference.json").read_text(encoding="utf-8"))
    assert tuple(content["k"]) == KS[: len(content["k"])], "reference.json is of other k"
    return Reference(names=tuple(content["growth"]), growth=np.array(list(content["growth"].values())))


def growths(density: np.ndarray, size: int) -> np.ndarray:
    """[S, size] of difficulty distributions [S, G], between the first size + 1 of ``KS``."""
    return np.diff(_log_odds(np.clip(density @ _REACH[:, : size + 1], 1e-12, 1 - 1e-12)))


def _log_odds(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


def _log_t_density(points: np.ndarray, rows: np.ndarray, floor: float) -> np.ndarray:
    """[S] log density of points [S, D] under a t with mean and predictive covariance of rows [J, D], plus
    floor^2."""
    size = rows.shape[1]
    spread = np.cov(rows.T) * (1 + 1 / len(rows)) + floor**2 * np.eye(size)
    root = np.linalg.cholesky(spread)
    z = np.linalg.solve(root, (points - rows.mean(axis=0)).T)
    constant = (
        gammaln((_HEAVY + size) / 2)
        - gammaln(_HEAVY / 2)
        - 0.5 * size * np.log(_HEAVY * np.pi)
        - np.log(np.diag(root)).sum()
    )
    return constant - 0.5 * (_HEAVY + size) * np.log1p((z**2).sum(axis=0) / _HEAVY)
