"""Seconds of an engine's steps, fitted to a load test (``t2rl bench``), in place of the roofline.

See docs/methods/cost.md#fitted-to-a-load-test.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from planner.cost.serving import ServingCost

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWork:
    """The work of a step, or the sum over several; a fitted cost has one coefficient for each field."""

    steps: float = 1.0
    prompt_tokens: float = 0.0
    """Prefilled."""
    sampled: float = 0.0
    """Sequences that get a token."""
    prompt_squares: float = 0.0
    """Sum of P² over the prompts."""
    context: float = 0.0
    """Tokens of keys and values that decoding sequences read."""
    roots: float = 0.0
    """Square root of ``sampled``: a batch that fills the cores costs less a sequence."""
    prefills: float = 0.0
    """Steps with a prompt in them."""

    @classmethod
    def of(cls, prompts: Sequence[int], contexts: Sequence[int]) -> "StepWork":
        """One step that prefills ``prompts`` (tokens of each) and decodes sequences at ``contexts``."""
        sampled = len(prompts) + len(contexts)
        return cls(
            prompt_tokens=float(sum(prompts)),
            sampled=float(sampled),
            prompt_squares=float(sum(p * p for p in prompts)),
            context=float(sum(contexts)),
            roots=sampled**0.5,
            prefills=float(bool(prompts)),
        )


TERMS = tuple(field.name for field in fields(StepWork))
ALWAYS = ("steps", "prompt_tokens", "sampled")
OPTIONAL = tuple(term for term in TERMS if term not in ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Steps of like work at one load point: as many prompts in each, as many sequences."""

    point: str
    """Load point; all of its observations are held out together."""
    work: StepWork
    """The mean."""
    seconds: float
    """The median."""
    steps: int = 1
    """So many; their weight in the fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCost(ServingCost):
    """A model on the server that it was measured on."""

    coefficients: StepWork
    """Seconds for one of each."""
    turnaround_s: float = 0.0
    """From the end of a request until the one that takes its place is sent, in a closed load."""
    usd_per_hour: float = 0.0
    held_out_error: float = float("nan")
    """Median relative error over load points that were left out in turn."""

    def seconds(self, work: StepWork) -> float:
        """Seconds of this work."""
        return float(_row(work) @ _row(self.coefficients))

    def step_s(self, batch: float, context: float) -> float:
        """See ``ServingCost``."""
        return self.seconds(StepWork(sampled=batch, context=batch * context, roots=batch**0.5))

    def prefill_s(self, prompt: float) -> float:
        """See ``ServingCost``."""
        return self.seconds(
            StepWork(prompt_tokens=prompt, prompt_squares=prompt**2, sampled=1, roots=1, prefills=1)
        )

    def prefill_work_s(self, prompt: float) -> float:
        """See ``ServingCost``."""
        return self.seconds(StepWork(steps=0, prompt_tokens=prompt, prompt_squares=prompt**2))


def fit(
    observations: Sequence[Observation], *, usd_per_hour: float = 0.0, turnaround_s: float = 0.0
) -> MeasuredCost:
    """Coefficients >= 0 of least relative squares over steps; which optional terms there are is chosen by the
    median relative error on load points left out in turn, fewer terms where that is no worse than 2% of it.

    Raises:
        ValueError: fewer than three load points.
    """
    points = sorted({one.point for one in observations})
    if len(points) < 3:
        raise ValueError(f"a cost model needs at least 3 load points, there are {len(points)}; give more")
    best: tuple[float, tuple[str, ...]] | None = None
    for count in range(len(OPTIONAL) + 1):
        for more in itertools.combinations(OPTIONAL, count):
            error = _held_out_error(observations, points, (*ALWAYS, *more))
            if best is None or error < 0.98 * best[0]:
                best = error, (*ALWAYS, *more)
    assert best is not None
    return MeasuredCost(
        coefficients=_solve(observations, best[1]),
        turnaround_s=turnaround_s,
        usd_per_hour=usd_per_hour,
        held_out_error=best[0],
    )


def _held_out_error(
    observations: Sequence[Observation], points: Sequence[str], terms: Sequence[str]
) -> float:
    errors = []
    for point in points:
        cost = MeasuredCost(coefficients=_solve([o for o in observations if o.point != point], terms))
        left_out = [o for o in observations if o.point == point]
        errors += [[abs(cost.seconds(o.work) / o.seconds - 1)] * o.steps for o in left_out]
    return float(np.median(np.concatenate(errors)))


def _solve(observations: Sequence[Observation], terms: Sequence[str]) -> StepWork:
    columns = [TERMS.index(term) for term in terms]
    weights = np.sqrt([one.steps for one in observations])
    rows = np.stack([_row(one.work)[columns] / one.seconds for one in observations]) * weights[:, None]
    scale = np.maximum(np.abs(rows).max(axis=0), 1e-12)
    values, _ = nnls(rows / scale, weights)
    solved = dict.fromkeys(TERMS, 0.0) | dict(zip(terms, (values / scale).tolist(), strict=True))
    return StepWork(**solved)


def _row(work: StepWork) -> np.ndarray:
    return np.array([getattr(work, term) for term in TERMS])


def cost_to_json(cost: MeasuredCost) -> dict[str, Any]:
    """JSON-able."""
    return {
        "schema": SCHEMA,
        "seconds_for_each": {k: v for k, v in asdict(cost.coefficients).items() if v},
        "turnaround_s": cost.turnaround_s,
        "usd_per_hour": cost.usd_per_hour,
        "held_out_error": cost.held_out_error,
    }


def read_costs(files: Sequence[Path]) -> dict[tuple[str, int], MeasuredCost]:
    """(model, bits) -> cost, from what ``t2rl bench --to`` wrote; bits 0 is the engine's own format.

    Raises:
        ValueError: naming the file and what it lacks.
    """
    costs: dict[tuple[str, int], MeasuredCost] = {}
    for file in files:
        if not file.is_file():
            raise ValueError(f"{file}: no such file; t2rl bench MODEL --to {file} writes one")
        try:
            content: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            for one in content.get("results", [content]):
                if one["cost"]["schema"] != SCHEMA:
                    schema = one["cost"]["schema"]
                    raise CostFileError(f"{file}: cost.schema is {schema}, this version reads {SCHEMA}")
                costs[str(one["model"]), int(one["bits"])] = _cost_of(one["cost"])
        except CostFileError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{file}: not a result of t2rl bench with a fitted cost ({error!r})") from error
    return costs


class CostFileError(ValueError):
    """A file of another version."""


def _cost_of(cost: Mapping[str, Any]) -> MeasuredCost:
    return MeasuredCost(
        coefficients=StepWork(**(dict.fromkeys(TERMS, 0.0) | cost["seconds_for_each"])),
        turnaround_s=cost.get("turnaround_s", 0.0),  # files of before have none
        usd_per_hour=cost["usd_per_hour"],
        held_out_error=cost["held_out_error"],
    )
