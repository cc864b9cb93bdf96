"""Advantages that climb pass@k instead of pass@1: what a sample adds to the best of k drawn from its group.

Rewards need not be 0 or 1: pass@k of graded rewards is the expected maximum of k. ``k`` is the config's, or
each prompt's own (``aux.pass_k``), and never more than the group's size but in the weight form.

See docs/methods/passk_training.md#advantages-for-passk.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.special import betaln, gammaln

from rl.config.algorithm import AlgorithmConfig
from rl.objective.advantages.group_relative import rloo
from rl.objective.advantages.length_price import length_price
from rl.objective.samples import Samples
from rl.objective.shapes import PerSample

WEIGHT_RANGE = (0.1, 8.0)
"""Range of the posterior-weight form, so that one prompt cannot take a batch over."""
SAME = 1e-7
"""Share of a group's spread below which its best of k does not vary."""
PRIOR = (1.0, 1.0)
"""Beta prior of a prompt whose statistics did not come with the batch."""


def pkpo_s(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] PKPO's s: for 0/1 rewards k/n if correct, else (k/n) rho(n-1, c, k-1); unbiased (arXiv 2505.15201,
    section 3)."""
    return _by_group(samples, config, _pkpo_s)


def pkpo_s_loo(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] s less the same group's value without the sample, k/(n-1) of it: unbiased, of lower variance for
    rare successes. Of what all rewards have in common k/(n (n-1)) stays, which is noise: take ``passk`` for
    rewards that are not near 0."""
    return _by_group(samples, config, _pkpo_s_loo)


def pkpo_s_loo_minus_one(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] what the sample adds to the best of k-1 others, times k/n: for 0/1 rewards (k/n) C(n-c, k-1) /
    C(n-1, k-1) if correct, 0 if not. Unbiased, and the quietest where successes are not rare; at k = 1 it has
    no baseline, so RLOO takes its place."""
    return _by_group(samples, config, _pkpo_s_loo_minus_one)


def standardised_best_of_k(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] s, centred and divided by the standard deviation of the group's best of k: mean 0, standardised.

    For 0/1 rewards that deviation is sqrt(rho (1 - rho)) (Chen et al. 2025, arXiv 2508.10751). Standardising
    undoes the weight k (1-p)^(k-1) that pass@k gives to hard prompts.
    """
    return _by_group(samples, config, _standardised_best_of_k)


def weight_form(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] RLOO's advantage times ``E[k (1-p)^(k-1)]`` under the prompt's posterior of before this group
    (``aux.posterior`` [S, 2]): for k above half the group, where the combinatorial forms are mostly
    noise."""
    baseline = rloo(samples, config).double().numpy() / _sizes(samples)
    a, b = _posterior(samples).astype(np.float64).T
    weight = posterior_weight(a, b, _wanted(samples, config))
    return torch.from_numpy(baseline * weight).to(samples.rewards.dtype)


def passk(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] the estimator that suits each group: RLOO / n at k = 1, ``pkpo_s_loo_minus_one`` up to k = n/2, the
    weight form above; less what the planner charges for length (``length_price``), if it does."""
    sizes, ks = _sizes(samples), _wanted(samples, config)
    combinatorial, weighted = pkpo_s_loo_minus_one(samples, config), weight_form(samples, config)
    use = torch.from_numpy((ks > 1) & (ks <= sizes / 2))
    charged = length_price(samples, torch.from_numpy(ks).double())
    return (torch.where(use, combinatorial, weighted).double() - charged).to(samples.rewards.dtype)


def posterior_weight(
    a: np.ndarray | float, b: np.ndarray | float, k: np.ndarray | int
) -> np.ndarray | np.float64:
    """``k B(a, b + k - 1) / B(a, b)`` of Beta(a, b) [S], kept within ``WEIGHT_RANGE``; 1 at k = 1."""
    weight: np.ndarray | np.float64 = np.clip(
        k * np.exp(betaln(a, b + (k - 1)) - betaln(a, b)), *WEIGHT_RANGE
    )
    return weight


# -- one group -----------------------------------------------------------------------------------------------


def _pkpo_s(rewards: np.ndarray, k: int) -> np.ndarray:
    """[n] ``k/n`` times the mean best of the subsets of k that hold the sample (PKPO's continuous form)."""
    n = len(rewards)
    order = np.argsort(rewards, kind="stable")
    ordered, rank = rewards[order], np.arange(1, n + 1)
    # A subset holds sample i. Either i is its best (the k - 1 others come from below), or the best is some j
    # above.
    own = _ratio(rank - 1, k - 1, n, k)
    above = _ratio(rank - 2, k - 2, n, k) * ordered
    later = np.concatenate([np.cumsum(above[::-1])[::-1][1:], [0.0]])
    out = np.empty(n)
    out[order] = own * ordered + later
    return out


def _best_of(rewards: np.ndarray, k: int) -> float:
    """Expected maximum of k of them drawn without replacement; 0 of none."""
    if k == 0 or len(rewards) < k:
        return 0.0
    ordered = np.sort(rewards)
    return float(_ratio(np.arange(len(ordered)), k - 1, len(ordered), k) @ ordered)


def _without_each(rewards: np.ndarray, k: int) -> np.ndarray:
    """[n] expected maximum of k of the others."""
    unique, inverse = np.unique(rewards, return_inverse=True)
    return np.array([_best_of(_others(rewards, value), k) for value in unique])[inverse]


def _others(rewards: np.ndarray, value: float) -> np.ndarray:
    """[n - 1] all but one sample of that reward, rising."""
    return np.sort(np.delete(rewards, np.flatnonzero(rewards == value)[0]))


def _pkpo_s_loo(rewards: np.ndarray, k: int) -> np.ndarray:
    n = len(rewards)
    k = min(k, n - 1)  # without the sample there are no more
    return _pkpo_s(rewards, k) - k / (n - 1) * _without_each(rewards, k)


def _pkpo_s_loo_minus_one(rewards: np.ndarray, k: int) -> np.ndarray:
    n = len(rewards)
    if k == 1:
        return _centred(rewards) / (n - 1)
    # Summed over the others that it beats. Subtracting two expected maxima would leave rounding errors where
    # it adds nothing, and a batch of nothing else would be scaled up to advantages of 1.
    chance = _ratio(np.arange(n - 1), k - 2, n - 1, k - 1)
    unique, inverse = np.unique(rewards, return_inverse=True)
    added = [chance @ np.maximum(value - _others(rewards, value), 0.0) for value in unique]
    return k / n * np.array(added)[inverse]


def _standardised_best_of_k(rewards: np.ndarray, k: int) -> np.ndarray:
    n, ordered = len(rewards), np.sort(rewards)
    chance = _ratio(np.arange(n), k - 1, n, k)  # of each to be the best of k, the lowest first
    deviation = np.sqrt(chance @ (ordered - chance @ ordered) ** 2)
    if deviation <= SAME * np.ptp(ordered):  # every subset of k holds one of the best
        return np.zeros(n)
    return n / (k * deviation) * _centred(_pkpo_s(rewards, k))


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean()


def _ratio(top: np.ndarray, choose: int, n: int, k: int) -> np.ndarray:
    """``C(top, choose) / C(n, k)``, 0 where there is nothing to choose from; by log-gamma, since the
    binomials overflow."""
    if choose < 0:
        return np.zeros(len(top))
    safe = np.maximum(top, choose)
    log_top = gammaln(safe + 1) - gammaln(choose + 1) - gammaln(safe - choose + 1)
    log_all = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.where(top >= choose, np.exp(log_top - log_all), 0.0)


# -- all groups ----------------------------------------------------------------------------------------------


def _by_group(
    samples: Samples, config: AlgorithmConfig, one: Callable[[np.ndarray, int], np.ndarray]
) -> PerSample:
    """[S] ``one`` of every group; groups of one or of equal rewards get 0, groups with a NaN get NaN."""
    rewards, ids = samples.rewards.double().numpy(), samples.segment_ids.numpy()
    ks, out = _pass_k(samples, config), np.zeros(len(rewards))
    for group in np.unique(ids):
        members = np.flatnonzero(ids == group)
        own = rewards[members]
        if np.isnan(own).any():
            out[members] = np.nan
        elif len(own) > 1 and own.min() != own.max():
            out[members] = one(own, int(ks[members[0]]))
    return torch.from_numpy(out).to(samples.rewards.dtype)


def _sizes(samples: Samples) -> np.ndarray:
    ids = samples.segment_ids.numpy()
    return np.bincount(ids, minlength=samples.num_groups)[ids]


def _wanted(samples: Samples, config: AlgorithmConfig) -> np.ndarray:
    """[S] k of each sample's group, which the weight form may have above the group's size."""
    own = samples.aux.pass_k
    return np.full(len(samples.rewards), config.pass_k) if own is None else own.numpy().astype(np.int64)


def _pass_k(samples: Samples, config: AlgorithmConfig) -> np.ndarray:
    """[S] k of each sample's group, at most its size."""
    return np.minimum(_wanted(samples, config), _sizes(samples))


def _posterior(samples: Samples) -> np.ndarray:
    own = samples.aux.posterior
    return np.tile(PRIOR, (len(samples.rewards), 1)) if own is None else own.numpy()
