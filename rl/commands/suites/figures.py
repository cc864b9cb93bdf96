"""Figures of models on suites: one value a problem for each metric, intervals over problems, paired
differences, and what the answers cost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from planner.estimators.bootstrap import Difference, Interval, bootstrap_mean, paired_difference
from planner.estimators.pass_at_k import pass_at_k
from rl.commands.suites.facts import ModelResults, SuiteResult
from rl.views.evaluations import Counts

GREEDY = "greedy"
Values = dict[str, float]
"""Problem id -> its estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One metric of one suite, for every model that has it."""

    suite: str
    metric: str
    """``greedy``, ``pass@k`` or ``maj@k``."""
    temperature: float
    problems: int
    values: dict[str, Interval]
    """Model -> mean over problems with its interval."""
    differences: dict[str, Difference]
    """Model -> its difference to the first model on the same problems; empty unless asked for."""

    def plain(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def figures(
    models: Sequence[ModelResults], *, compare: bool, confidence: float, resamples: int
) -> list[Figure]:
    """Every metric of every suite.

    Raises:
        ValueError: models that are to be compared were asked other problems.
    """
    out = []
    for suite in dict.fromkeys(name for model in models for name in model.suites):
        asked = {m.label: _metrics(m.suites[suite]) for m in models if suite in m.suites}
        names = dict.fromkeys(key for found in asked.values() for key in found)
        for metric, temperature in names:
            per_model = {
                label: found[metric, temperature]
                for label, found in asked.items()
                if (metric, temperature) in found
            }
            first = next(iter(per_model))
            differences = {}
            if compare:
                for label in list(per_model)[1:]:
                    before, after = _paired(suite, first, per_model[first], label, per_model[label])
                    differences[label] = paired_difference(
                        before, after, confidence=confidence, resamples=resamples
                    )
            out.append(
                Figure(
                    suite=suite,
                    metric=metric,
                    temperature=temperature,
                    problems=max(map(len, per_model.values())),
                    values={
                        label: _interval(values, confidence=confidence, resamples=resamples)
                        for label, values in per_model.items()
                    },
                    differences=differences,
                )
            )
    return out


def _metrics(result: SuiteResult) -> dict[tuple[str, float], Values]:
    """(metric, temperature) -> one value a problem, of those with enough judged completions."""
    found: dict[tuple[str, float], Values] = {}
    for counts in result.counts:
        rows = [row for row in counts.rows if row["n"]]
        at = counts.sampling.temperature
        if counts.greedy:
            found[GREEDY, at] = {row["id"]: row["c"] / row["n"] for row in rows}
            continue
        for k in _ks(result):
            enough = [row for row in rows if row["n"] >= k]
            if enough:
                rates = pass_at_k([r["n"] for r in enough], [r["c"] for r in enough], k)
                found[f"pass@{k}", at] = dict(zip((r["id"] for r in enough), rates.tolist(), strict=True))
            if votes := {
                r["id"]: float(r["majority"][str(k)]) for r in enough if str(k) in r.get("majority", {})
            }:
                found[f"maj@{k}", at] = votes
    return found


def _ks(result: SuiteResult) -> list[int]:
    samples = int(result.facts["samples"])
    return [k for k in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024) if k < samples] + [samples]


def _interval(values: Values, *, confidence: float, resamples: int) -> Interval:
    if len(values) == 1:
        (only,) = values.values()
        return Interval(value=only, low=float("nan"), high=float("nan"))
    return bootstrap_mean(list(values.values()), confidence=confidence, resamples=resamples)


def _paired(
    suite: str, first: str, before: Values, second: str, after: Values
) -> tuple[np.ndarray, np.ndarray]:
    if before.keys() != after.keys():
        common = len(before.keys() & after.keys())
        raise ValueError(
            f"--compare: {suite} was asked of other problems: {first} has {len(before)}, {second}"
            f" {len(after)}, {common} in common; evaluate both with the same --problems and the same file"
        )
    return np.array(list(before.values())), np.array([after[key] for key in before])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The costs of one suite for one model."""

    suite: str
    model: str
    completions: int
    prompt_tokens: float
    """Mean of a prompt."""
    tokens: float
    """Mean of a completion."""
    truncated: float
    """Share of completions that ended at the limit of tokens."""
    unjudged: int
    seconds: float
    """Wall seconds of sampling and judging together, engines warm."""
    tokens_per_s: float
    flops_per_query: float | None
    """One prompt and one completion of mean length; None where the model's shape is not known."""
    money: float | None
    """Price of all completions, by ``cluster.price_per_gpu_hour``; None without a price."""


def spent(models: Sequence[ModelResults]) -> list[Spent]:
    """Costs of every suite and model, suites first."""
    names = dict.fromkeys(name for model in models for name in model.suites)
    return [_spent(m, m.suites[name]) for name in names for m in models if name in m.suites]


def _spent(model: ModelResults, result: SuiteResult) -> Spent:
    rows = [row for counts in result.counts for row in counts.rows]
    judged = sum(row["n"] for row in rows)
    completions = judged + sum(row["unjudged"] for row in rows)
    tokens = sum(row["tokens"] for row in rows)
    prompt = float(np.mean([row["prompt_tokens"] for row in rows]))
    mean = tokens / judged if judged else 0.0
    facts, shape = result.facts, model.shape
    price, gpus, seconds = facts.get("price_per_gpu_hour"), facts.get("gpus", 0), facts["seconds"]
    return Spent(
        suite=result.name,
        model=model.label,
        completions=completions,
        prompt_tokens=prompt,
        tokens=mean,
        truncated=sum(row["truncated"] for row in rows) / completions if completions else 0.0,
        unjudged=completions - judged,
        seconds=seconds,
        tokens_per_s=tokens / seconds if seconds else 0.0,
        flops_per_query=None if shape is None else shape.query(prompt, mean, 1),
        money=None if not price or not gpus else price * gpus * seconds / 3600,
    )


def counts_of(result: SuiteResult, temperature: float) -> Counts | None:
    """The counts at one temperature."""
    return next((c for c in result.counts if c.sampling.temperature == temperature), None)


def to_json(
    models: Sequence[ModelResults], found: Sequence[Figure], costs: Sequence[Spent]
) -> Mapping[str, Any]:
    """One object with everything; limits that say nothing (NaN) are null."""
    plain = {
        "models": {m.label: {k: v for k, v in m.facts.items() if k != "suites"} for m in models},
        "figures": [figure.plain() for figure in found],
        "cost": [asdict(cost) for cost in costs],
    }
    result = _without_nan(plain)
    assert isinstance(result, dict)
    return result


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
