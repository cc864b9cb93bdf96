"""The trade-off table: one row for each (checkpoint, bits, strategy, k), with its cost, its score whether it
is on the front."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.cost.devices import Device
from planner.cost.flops import ModelShape, kinetics_eflops
from planner.cost.lengths import expected_longest, sequential_tokens
from planner.cost.pareto import pareto
from planner.cost.roofline import Server
from planner.cost.serving import ServingCost
from planner.estimators.beta_binomial import fit_gated
from planner.estimators.bootstrap import Interval, bootstrap_mean
from planner.estimators.pass_at_k import pass_at_k

COLUMNS = (
    "ckpt", "N", "D", "tok_per_param", "post", "bits", "train_flops", "strategy", "k", "temp", "max_tokens",
    "mean_prompt_tok", "mean_gen_tok",
    "p95_gen_tok", "flops_per_query", "eflops_per_query", "weight_bytes", "kv_bytes_peak", "latency_ms_seq",
    "latency_ms_par",
    "tok_per_s", "usd_per_1k_queries", "pass@k", "ci_lo", "ci_hi", "selected_acc", "extrapolated",
    "on_pareto", "cost_per_solved",
)  # fmt: skip
STRATEGIES = ("parallel", "sequential")
"""With a verifier: all k samples at once, or one after the other until one is accepted."""
KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BATCH = 64
"""Sequences in flight, for throughput and price."""
RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One checkpoint in one number format, as measured."""

    name: str
    shape: ModelShape
    tokens: float | None
    """D; None where nobody knows."""
    train_flops: float | None
    """Pretraining and post-training; None where nobody knows."""
    post: bool
    bits: int
    n: np.ndarray
    c: np.ndarray
    prompt_tokens: float
    """Mean."""
    right_lengths: dict[int, int]
    """Tokens of a right sample -> how many."""
    wrong_lengths: dict[int, int]
    temperature: float = 1.0
    max_tokens: int | None = None
    """Limit of tokens; None where nobody says."""

    @property
    def lengths(self) -> dict[int, int]:
        """Return the lengths of all samples."""
        keys = sorted({*self.right_lengths, *self.wrong_lengths})
        return {k: self.right_lengths.get(k, 0) + self.wrong_lengths.get(k, 0) for k in keys}


def tradeoff(
    checkpoints: Sequence[Scored],
    device: Device,
    *,
    ks: Sequence[int] = KS,
    extrapolate: bool = False,
    costs: Mapping[tuple[str, int], ServingCost] | None = None,
) -> list[dict[str, Any]]:
    """Rows of every checkpoint for every k that its samples reach; the front is over all of them (FLOPs down,
    accuracy up).

    With ``extrapolate`` also for larger k, by a beta-binomial fit whose two variants give the interval; these
    rows say so, and are never on the front.

    ``costs``: measured seconds by (checkpoint, bits), in place of the roofline on ``device``
    (``planner.cost.measured.read_costs``).

    The verifier is taken as exact, so ``selected_acc`` is pass@k; an imperfect one is the planner's business.
    """
    rows = [row for scored in checkpoints for row in _rows(scored, device, ks, extrapolate, costs or {})]
    measured = [-1.0 if r["extrapolated"] else r["selected_acc"] for r in rows]
    front = pareto([r["flops_per_query"] for r in rows], measured) & (np.array(measured) >= 0)
    for row, on_front in zip(rows, front, strict=True):
        row["on_pareto"] = int(on_front)
    return rows


def _rows(
    scored: Scored,
    device: Device,
    ks: Sequence[int],
    extrapolate: bool,
    costs: Mapping[tuple[str, int], ServingCost],
) -> Iterable[dict[str, Any]]:
    server = Server(shape=scored.shape, device=device, bits=scored.bits)
    timing = costs.get((scored.name, scored.bits), server)
    lengths = scored.lengths
    mean, p95 = _mean(lengths), _quantile(lengths, 0.95)
    right = _mean(scored.right_lengths) if scored.right_lengths else mean
    wrong = _mean(scored.wrong_lengths) if scored.wrong_lengths else mean
    prompt, shape = scored.prompt_tokens, scored.shape
    most = int(scored.n.min())
    for k in ks:
        if k > most and not extrapolate:
            return
        passed = _passed(scored, k)
        spent = sequential_tokens(scored.n, scored.c, min(k, most), right_tokens=right, wrong_tokens=wrong)
        if k > most:
            # Beyond the samples, no success is counted on.
            spent += (k - most) * (1 - _passed(scored, most).value) * wrong
        for strategy in STRATEGIES if k > 1 else STRATEGIES[:1]:
            samples = k if strategy == "parallel" else spent / mean
            flops = shape.query(prompt, mean, samples)
            longest = expected_longest(lengths, min(k, sum(lengths.values())))
            one_by_one = k * mean if strategy == "parallel" else spent
            yield {
                "ckpt": scored.name,
                "N": int(shape.params),
                "D": None if scored.tokens is None else int(scored.tokens),
                "tok_per_param": None if scored.tokens is None else scored.tokens / shape.params,
                "post": int(scored.post),
                "bits": scored.bits,
                "train_flops": scored.train_flops,
                "strategy": strategy,
                "k": k,
                "temp": scored.temperature,
                "max_tokens": scored.max_tokens,
                "mean_prompt_tok": prompt,
                "mean_gen_tok": mean,
                "p95_gen_tok": p95,
                "flops_per_query": flops,
                "eflops_per_query": kinetics_eflops(shape, prompt, mean, samples, intensity=device.intensity),
                "weight_bytes": server.weight_bytes,
                "kv_bytes_peak": shape.kv_bytes_peak(prompt, p95, k if strategy == "parallel" else 1),
                "latency_ms_seq": 1e3 * timing.latency_sequential_s(prompt, one_by_one, length=mean),
                "latency_ms_par": 1e3 * timing.latency_parallel_s(prompt, longest, k),
                "tok_per_s": timing.tokens_per_s(BATCH, prompt + mean / 2),
                "usd_per_1k_queries": timing.usd_per_1000_queries(prompt, mean, samples, batch=BATCH),
                "pass@k": passed.value,
                "ci_lo": passed.low,
                "ci_hi": passed.high,
                "selected_acc": passed.value,
                "extrapolated": int(k > most),
                "on_pareto": 0,
                "cost_per_solved": flops / passed.value if passed.value > 0 else float("inf"),
            }


def _passed(scored: Scored, k: int) -> Interval:
    """pass@k with its interval: over problems where the samples reach, else between the two models."""
    if k <= scored.n.min():
        return bootstrap_mean(pass_at_k(scored.n, scored.c, k), resamples=RESAMPLES)
    fitted = fit_gated(scored.n, scored.c)
    low, high = fitted.interval(k)
    return Interval(value=fitted.chosen.pass_at_k(k), low=low, high=high)


def cheapest(rows: Sequence[dict[str, Any]], *, cost: str, budget: float) -> dict[str, Any]:
    """The row of highest accuracy whose ``cost`` is within ``budget``; the cheaper of equals. Number formats
    compete like sizes.

    Raises:
        ValueError: none is that cheap.
    """
    affordable = [r for r in rows if r[cost] <= budget]
    if not affordable:
        raise ValueError(f"no row has {cost} <= {budget:g}; the cheapest has {min(r[cost] for r in rows):g}")
    return max(affordable, key=lambda r: (r["selected_acc"], -r[cost]))


def choices(rows: Sequence[dict[str, Any]], *, cost: str, count: int = 7) -> list[dict[str, Any]]:
    """``cheapest`` at ``count`` budgets spread over the rows' costs: checkpoint, bits, strategy, k, accuracy
    at each."""
    measured = [r for r in rows if not r["extrapolated"]]
    prices = [r[cost] for r in measured]
    kept = ("ckpt", "bits", "temp", "max_tokens", "strategy", "k", "selected_acc", cost)
    found = []
    for budget in np.geomspace(min(prices), max(prices), count) * (1 + 1e-9):
        row = cheapest(measured, cost=cost, budget=budget)
        found.append({"budget": float(budget), **{c: row[c] for c in kept}})
    return found


def to_csv(rows: Sequence[dict[str, Any]]) -> str:
    """All columns."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([{c: _cell(row[c]) for c in COLUMNS} for row in rows])
    return out.getvalue()


def to_markdown(rows: Sequence[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> str:
    """A table of the columns named."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(_cell(row[c])) for c in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else value


def _mean(lengths: dict[int, int]) -> float:
    return sum(k * v for k, v in lengths.items()) / sum(lengths.values())


def _quantile(lengths: dict[int, int], q: float) -> float:
    values = sorted(lengths)
    share = np.cumsum([lengths[v] for v in values]) / sum(lengths.values())
    return float(values[int(np.searchsorted(share, q - 1e-12))])
