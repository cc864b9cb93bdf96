"""From a file of scores to headline figures."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.estimators.pass_at_k import pass_at_k

KS = (1, 4, 16, 64)


def headline(scores: Mapping[str, Any]) -> dict[str, Any]:
    """pass@k for k = 1, 4, 16, 64 (as far as n reaches), NLL, mean p, mean tokens of a sample, and how far
    the two modes differ.

    ``mode_gap_se``: (mean c/n - mean p) in standard errors of the sampling noise, None without likelihood
    mode.
    """
    rows = scores["rows"]
    n, c = np.array([r["n"] for r in rows]), np.array([r["c"] for r in rows])
    lengths = [(int(k), v) for counts in scores["lengths"].values() for k, v in counts.items()]
    facts = {k: v for k, v in scores.items() if k not in ("rows", "lengths")}
    log_p = None if rows[0]["logp"] is None else np.array([r["logp"] for r in rows])
    return {
        **facts,
        "pass": {str(k): float(pass_at_k(n, c, k).mean()) for k in KS if k <= n.min()},
        "nll": None if log_p is None else float(-log_p.mean()),
        "mean_p": None if log_p is None else float(np.exp(log_p).mean()),
        "mean_tokens": sum(k * v for k, v in lengths) / sum(v for _, v in lengths),
        "mean_prompt_tokens": float(np.mean([r["prompt_tokens"] for r in rows])),
        "mode_gap_se": None if log_p is None else _mode_gap(np.exp(np.minimum(log_p, 0.0)), n, c),
    }


def _mode_gap(p: np.ndarray, n: np.ndarray, c: np.ndarray) -> float:
    error = np.sqrt((p * (1 - p) / n).sum()) / len(p)
    return float(((c / n).mean() - p.mean()) / max(error, 1e-12))
