"""T² on real pretraining: nine Pythia sizes (14M to 12B), checkpoints of 2B to 300B tokens, GSM8K and MATH.

    python -m benchmarks.t2.pythia --data DIR

DIR holds ``pythia_learning_trajectories.jsonl``: success counts of each problem under each checkpoint (rows
{benchmark, model, problem_idx, checkpoints: [{train_tokens, n, correct}]}), as published with Schaeffer et
al., arXiv 2502.17578. The file has no licence and is not shipped.

Written and committed before any surface was fitted. What had been looked at: for each cell the number of
problems, the range of n, the mean of c/n and how many problems were solved. Each benchmark is judged alone.

**Data.** A cell is (size, checkpoint). N counts the weights outside the input embedding (layers and output
matrix: what is multiplied for each token); the choice matters at 14M and 70M, so the non-embedding count is
reported beside it. Cells below 2B tokens are left out: their pass@1 is near 1e-6. Problems are those with a
row in every cell. A cell is *readable* with 10 successes or more; approaches 1 and 2 are fitted to readable
cells, the family to all. Samples go from 128 (12B) to 1e6 (14M) a problem and grew where nothing was solved:
counts are used as counts, and pass@k of a problem with fewer than k samples is read at its n.

**What the data cannot say.** Problems that no checkpoint solved are not in the file (91 GSM8K and 86 MATH
problems are; the published sample had 128 of each). Checkpoints lie on one cosine schedule of 300B tokens and
are not annealed, so a cell of few tokens is worse than a run of that length would be: this pulls optima
towards fewer weights and more tokens, at k = 1 and at large k alike. The file has no likelihoods: approach 1
is fitted to the posterior mean of -log pass@k, and approach 2 takes that at k = 1 as its loss. Neither is
T²'s loss.

**Isolines**: C = 6ND = 1e19, 1e20, 1e21, 1e22; a measured cell belongs to one within a factor of 2. C_inf is
8 times the largest N (12B has 4 samples, 14M about 6,000); 2 and 32 times are reported.

**Claims**, with 95% percentile intervals over problems, 200 replicates:

- S1, shift at equal inference FLOPs: the mean over isolines of log(r* at k = C_inf/2N over r* at k = 1),
  family surface; passes with P(> 0) >= .95.
- S2, shift at equal k: the same with k = 64 for every N; P(> 0) >= .95.
- S3, S1 without a surface: the best measured cells of each isoline with three cells or more; P(> 0) >= .95.
- E1, largest N held out: mean absolute log error of pass@1, 4, 16, 64 over its readable cells, nearest cell
  minus family; P(> 0) >= .95.
- E2, largest D held out: the same.
- E3, as T² reports it: relative error of approach 1 in its loss <= 5%, of approach 2 in pass@k <= 15%, on
  both hold-outs.
- R, rank of cells: Spearman of family against measured pass@64 over the held-out readable cells >= .8, both.
- A, absent problems: the verdicts of S1, S3 and R stay when absent problems are put back unsolved, up to 128
  problems and up to the whole benchmark (1,319 and 5,000).

Expected before the fit: S1 passes on both; S2 is near 0; E2 fails, since the nearest cell (200B of the same
size) is a strong baseline; E3 fails, since rates span three orders of magnitude.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lib.common import CONSOLE, machine, parser, save
from benchmarks.t2.pythia_data import Cells, load
from benchmarks.t2.pythia_fit import (
    PRIMARY,
    Fitter,
    HoldOut,
    MeasuredShift,
    budgets,
    hold_outs,
    interval,
    summary,
    surface_shift,
)
from planner.t2.holdout import KS
from planner.t2.shift import measured_shift

PUBLISHED = 128
WHOLE = {"GSM8K": 1319, "MATH": 5000}
SURE, RANKED = 0.95, 0.8


def _draws(problems: int, replicates: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        np.bincount(rng.integers(0, problems, problems), minlength=problems).astype(float)
        for _ in range(replicates)
    ]


def shift_part(cells: Cells, draws: Sequence[np.ndarray]) -> dict[str, Any]:
    """S1, S2, S3: by surface and budget, and from measured cells."""
    fit = Fitter(cells)
    fits = [fit(), *(fit(draw) for draw in draws)]
    report: dict[str, Any] = {}
    for budget, served in budgets(cells).items():
        entry: dict[str, Any] = {}
        for name in fits[0].scores():
            found = [surface_shift(f.scores()[name], cells, served) for f in fits]
            entry[name] = summary(found[0][0], [mean for mean, _ in found[1:]])
            entry[name]["levels"] = found[0][1]
            entry[name]["on_edge"] = float(
                np.mean([bool(level["corrected"]["edges"]) for _, optima in found[1:] for level in optima])
            )
        measured = MeasuredShift(cells, served)
        entry["measured"] = interval(measured, draws) | {"levels": measured.best()}
        report[budget] = entry
    return report


def extrapolation_part(cells: Cells, draws: Sequence[np.ndarray]) -> dict[str, Any]:
    """E1, E2, E3, R."""
    report: dict[str, Any] = {}
    for name, out in hold_outs(cells).items():
        judge = HoldOut(cells, out)
        point, replicates = judge(), [judge(draw) for draw in draws]
        report[name] = {"held": list(judge.held.names)} | {
            figure: summary(value, [r[figure] for r in replicates]) for figure, value in point.items()
        }
    return report


def absent_part(cells: Cells, benchmark: str, draws: Sequence[np.ndarray]) -> dict[str, Any]:
    """A: with absent problems put back as never solved. Measured cells all shrink by one factor, so S3 and
    its cells cannot move; ``at_limit`` gives each absent problem the most that its samples allow (95%)."""
    seen, report = cells.n.shape[1], {}
    for total in (PUBLISHED, WHOLE[benchmark]):
        count = total - seen
        full = cells.with_absent(count)
        grown = [np.concatenate([draw, np.ones(count)]) for draw in draws]
        fit, served = Fitter(full), PRIMARY * float(cells.params.max())
        fits = [fit(), *(fit(draw) for draw in grown)]
        means = [surface_shift(f.family.accuracy, full, served)[0] for f in fits]
        report[str(total)] = {
            "S1": summary(means[0], means[1:]),
            "R": {name: HoldOut(full, out)()["family_spearman"] for name, out in hold_outs(full).items()},
            "at_limit": _at_limit(cells, count, served),
        }
    return report


def _at_limit(cells: Cells, count: int, served: float) -> float:
    """S3 when every absent problem has p = 1 - .05^(1/n) in each cell: the most that no success allows."""
    measured = MeasuredShift(cells, served)
    n = np.median(measured.inside.n, axis=1)
    p = -np.expm1(np.log(0.05) / n)
    share = count / (count + cells.n.shape[1])
    single, many = (
        (1 - share) * seen.mean(axis=1) + share * absent
        for seen, absent in ((measured.one, p), (measured.many, -np.expm1(measured.k * np.log1p(-p))))
    )
    return measured_shift(measured.inside.ratios, measured.level, single, many)


def cell_table(cells: Cells) -> list[dict[str, Any]]:
    """Measured cells, for the picture and the reader."""
    budget = np.maximum(PRIMARY * float(cells.params.max()) / (2 * cells.params), 1.0)
    means = {str(k): cells.passed(k).mean(axis=1) for k in KS} | {
        "at_budget": cells.passed(budget).mean(axis=1)
    }
    return [
        {
            "name": name,
            "params": float(cells.params[j]),
            "tokens": float(cells.tokens[j]),
            "samples": float(np.median(cells.n[j])),
            "pass": {k: float(values[j]) for k, values in means.items()},
            "readable": bool(cells.readable[j]),
        }
        for j, name in enumerate(cells.names)
    ]


def judge(benchmark: str, cells: Cells, replicates: int) -> dict[str, Any]:
    """Everything about one benchmark."""
    draws = _draws(cells.n.shape[1], replicates)
    return {
        "problems": cells.n.shape[1],
        "cells": cell_table(cells),
        "shift": shift_part(cells, draws),
        "extrapolation": extrapolation_part(cells, draws),
        "absent": absent_part(cells, benchmark, draws[: len(draws) // 2]),
    }


def verdicts(found: dict[str, Any]) -> dict[str, bool]:
    """The claims."""
    shift, out = found["shift"], found["extrapolation"]
    primary = shift[f"C_inf={PRIMARY:g}Nmax"]
    sure = {
        "S1": primary["family"]["p_positive"],
        "S2": shift["k=64"]["family"]["p_positive"],
        "S3": primary["measured"]["p_positive"],
        "E1": out["largest_N"]["nearest_minus_family"]["p_positive"],
        "E2": out["largest_D"]["nearest_minus_family"]["p_positive"],
    }
    passed = {name: p >= SURE for name, p in sure.items()}
    passed["E3"] = all(
        o["approach1_loss_relative"]["estimate"] <= 0.05 and o["approach2_relative"]["estimate"] <= 0.15
        for o in out.values()
    )
    passed["R"] = all(o["family_spearman"]["estimate"] >= RANKED for o in out.values())
    passed["A"] = all(
        (a["S1"]["p_positive"] >= SURE) == passed["S1"]
        and all(rank >= RANKED for rank in a["R"].values()) == passed["R"]
        for a in found["absent"].values()
    )
    return passed


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True, help="the folder of the trajectories")
    args = options.parse_args()
    replicates = 8 if args.quick else 200
    result: dict[str, Any] = {"machine": machine(), "command": "python -m benchmarks.t2.pythia --data DIR"}
    found = {name: judge(name, cells, replicates) for name, cells in load(args.data).items()}
    body_only = {
        name: {budget: part["family"]["estimate"] for budget, part in shift_part(cells, []).items()}
        for name, cells in load(args.data, embedding=False).items()
    }
    result["replicates"] = replicates
    result["claims"] = {name: verdicts(part) for name, part in found.items()}
    for part in ("problems", "shift", "extrapolation", "absent", "cells"):
        result[part] = {name: entry[part] for name, entry in found.items()}
    result["shift_without_output_matrix"] = body_only
    for name, passed in result["claims"].items():
        CONSOLE.print(name, passed)
    save("t2_pythia", result, args=args)


if __name__ == "__main__":
    main()
