"""Claims C1 and C3 on sizes below those of ``distinct``, several seeds a cell.

    t2rl bases build small --seed S --dir runs/bases/small-S --jobs 1        for S in 0, 1, 2
    python -m benchmarks.t2.small runs/bases/small-0 runs/bases/small-1 runs/bases/small-2

pass@k of a base is scored here in likelihood mode, 1 - (1 - p)^k, which is exact on these problems; the
surface and C3 read the counts of ``t2rl bases eval`` and are left out without them.

Written and committed before any base of ``small`` was trained. On ``distinct`` the smallest size was the best
with one sample on isolines 3 and 5, so nothing could shift further; ``small`` adds 6k and 12k on the same
problems. Its level 5 is isoline 3 of ``distinct`` (five sizes, 6k to 100k), its level 6 is isoline 4 (six, to
200k). A level is judged where each of its cells has three seeds; a level with fewer is reported beside, not
judged. ``C_inf`` is 8 x 101,712 (100k) FLOPs a served token: 6k has 65 samples, 100k has 4.

An interval is the 2.5% to 97.5% percentile of 1,000 replicates (200 for surfaces); each draws the problems
once for all cells, and the seeds of each cell with replacement.

- V (is the question open?): the best cell of level 5 with one sample, mean over seeds, is not the smallest
  size, in at least .95 of the replicates.
- C1, surface: mean over the judged levels of log(r* with pass@k at C_inf / r* with pass@1), both optima from
  the family surface fitted to all bases of all seeds. Passes if P(> 0) >= .95 and neither optimum of the
  point fit lies on a limit of the search.
- C1, parabola: the same with the vertex of the parabola in log r through the best measured cell of a level
  and its two neighbours (mean over seeds); where the best cell is the first or the last of its level it is
  that cell, a bound. Passes if P(> 0) >= .95 and neither vertex of the point estimate is a bound.
- C1, cells: the best measured cell of each level in place of the vertex; reported, no threshold.
- C3: C1 (parabola) on the post-trained bases of seed 0, level 5, problems resampled alone. Passes if
  P(> 0) >= .95 and no bound. Expected: not larger than C1. (All three seeds, seeds resampled too, are
  reported beside it; added after seed 0 was seen.)
- C3 on level 6, added on 2026-11-30 before a base of that level was scored: the same on the post-trained
  bases of level 6, three seeds, problems and seeds resampled; the same threshold. Expected: no bound with one
  sample, a bound with k.

Expected: V passes, since 6k has a residual stream of 8 numbers; C1 by parabola is positive and small; the
surface may again lie on a limit, as its form has no floor for small N beyond A N^-alpha.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.lib.common import CONSOLE, machine, parser, save
from planner.estimators.pass_at_k import pass_at_k
from planner.t2.budget import Measured
from planner.t2.family import FamilySurface, fit_family
from planner.t2.shift import shifts
from rl.ladder.analysis.data import Family, family_of, load_scores
from rl.ladder.checkpoints import all_checkpoints
from rl.ladder.ladder import load_ladder
from rl.ladder.layout import LadderDir
from rl.ladder.likelihood import completion_logprobs
from rl.ladder.problems import ladder_problems
from rl.tasks.encoding import bare_ids

SERVED = 8 * 101_712
"""C_inf, FLOPs for each served token."""
SEEDS, CELLS, LOWEST = 3, 3, 3
REPLICATES, SURFACES = 1000, 200
PASSES = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Measured pass@k of one isoline, cells by falling N."""

    level: int
    names: tuple[str, ...]
    log_ratio: np.ndarray
    """[J] log(D / N)."""
    single: tuple[np.ndarray, ...]
    """[J] of [S, P] pass@1."""
    served: tuple[np.ndarray, ...]
    """[J] of [S, P] pass@k at C_inf."""

    @property
    def judged(self) -> bool:
        """Whether each cell has enough seeds."""
        return len(self.names) >= CELLS and all(len(cell) >= SEEDS for cell in self.single)


def likely(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Likelihood mode of every base of level 3 and up: name, level, seed, and p of the answer [P]."""
    found = []
    for path in paths:
        directory = LadderDir(path)
        ladder = directory.ladder()
        for base in all_checkpoints(directory):
            if base.post or base.level is None or base.level < LOWEST:
                continue
            tokenizer = AutoTokenizer.from_pretrained(base.model)
            model = AutoModelForCausalLM.from_pretrained(base.model, dtype=torch.float32).eval()
            problems, _ = ladder_problems(ladder.evaluation, tokenizer)
            texts = [ladder.evaluation.reference.format(answer=p.answer) for p in problems]
            answers = [[*ids, tokenizer.eos_token_id] for ids in bare_ids(tokenizer, texts)]
            log_p = completion_logprobs(model, [p.token_ids for p in problems], answers)
            found.append(
                {
                    "name": base.name,
                    "level": base.level,
                    "seed": ladder.seed,
                    "p": np.exp(np.minimum(log_p, 0.0)),
                    "nll": -float(np.mean(log_p)),
                }
            )
    return found


def read(paths: Sequence[Path], *, post: bool) -> list[dict[str, Any]]:
    """Counts of all directories, each with its seed; empty where none was sampled."""
    found = []
    for path in paths:
        directory = LadderDir(path)
        seed = directory.ladder().seed
        if not any(directory.eval_file(c.key).is_file() for c in all_checkpoints(directory)):
            continue
        found += [{**s, "seed": seed} for s in load_scores(directory) if s["post"] == post and not s["bits"]]
    return found


def levels_of(scores: Sequence[dict[str, Any]]) -> list[Level]:
    """Isolines of which every cell of the ladder is there in some seed."""
    found = []
    for level in sorted({s["level"] for s in scores}):
        cells = [c for c in load_ladder("small", max_level=level).cells() if c.level == level]
        cells.sort(key=lambda c: -c.params)
        by_name = [[s for s in scores if s["name"] == c.name] for c in cells]
        if all(by_name):
            found.append(
                Level(
                    level=level,
                    names=tuple(c.name for c in cells),
                    log_ratio=np.log([c.tokens / c.params for c in cells]),
                    single=tuple(_passed(some, 1) for some in by_name),
                    served=tuple(
                        _passed(some, max(round(SERVED / (2 * c.params)), 1))
                        for c, some in zip(cells, by_name, strict=True)
                    ),
                )
            )
    return found


def _passed(scores: Sequence[dict[str, Any]], k: int) -> np.ndarray:
    """[S, P], by likelihood where there is one."""
    if "p" in scores[0]:
        return np.array([1 - (1 - s["p"]) ** k for s in scores])
    rows = [[(r["n"], r["c"]) for r in s["rows"]] for s in scores]
    n, c = np.moveaxis(np.array(rows), 2, 0)
    return np.array([pass_at_k(ns, cs, min(k, int(ns.min()))) for ns, cs in zip(n, c, strict=True)])


def _level(number: int, scores: Iterable[dict[str, Any]]) -> list[Level]:
    """That level alone, where every cell of it is there; else nothing."""
    return [level for level in levels_of(list(scores)) if level.level == number]


def vertex(log_ratio: np.ndarray, value: np.ndarray) -> tuple[float, bool]:
    """(log r of the best, whether it is a bound): the vertex of the parabola through the best cell and its
    neighbours, or the cell itself at an end of the isoline."""
    at = int(np.argmax(value))
    if at in (0, len(value) - 1):
        return float(log_ratio[at]), True
    a, b, _ = np.polyfit(log_ratio[at - 1 : at + 2], value[at - 1 : at + 2], 2)
    low, high = sorted((log_ratio[at - 1], log_ratio[at + 1]))
    return float(np.clip(-b / (2 * a), low, high)), False


def measured(levels: Sequence[Level], *, seeds: bool, replicates: int) -> dict[str, Any]:
    """V, C1 by parabola and C1 by cells, with replicates over problems and (``seeds``) seeds of each cell."""
    rng = np.random.default_rng(0)
    problems = levels[0].single[0].shape[1]

    def means(cells: Sequence[np.ndarray], draw: np.ndarray, picks: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([c[p].mean(axis=0)[draw].mean() for c, p in zip(cells, picks, strict=True)])

    def once(draw: np.ndarray, resampled: bool) -> dict[str, Any]:
        curves = []
        for level in levels:
            picks = [
                rng.integers(0, len(c), len(c)) if resampled else np.arange(len(c)) for c in level.single
            ]
            curves.append((means(level.single, draw, picks), means(level.served, draw, picks)))
        tops = [[vertex(v.log_ratio, y) for y in pair] for v, pair in zip(levels, curves, strict=True)]
        best = [[int(np.argmax(y)) for y in pair] for pair in curves]
        return {
            "parabola": float(np.mean([many[0] - one[0] for one, many in tops])),
            "cells": float(
                np.mean([v.log_ratio[b] - v.log_ratio[a] for v, (a, b) in zip(levels, best, strict=True)])
            ),
            "open": [b[0] != len(v.names) - 1 for v, b in zip(levels, best, strict=True)],
            "tops": tops,
            "curves": curves,
        }

    point = once(np.arange(problems), False)
    chosen = rng.integers(0, problems, (replicates, problems))
    draws = [once(draw, seeds) for draw in chosen]
    return {
        "levels": [
            _told(level, curve, tops)
            for level, curve, tops in zip(levels, point["curves"], point["tops"], strict=True)
        ],
        "open": [
            {
                "level": level.level,
                "point": point["open"][i],
                "share": float(np.mean([d["open"][i] for d in draws])),
            }
            for i, level in enumerate(levels)
        ],
        "parabola": _interval(point["parabola"], [d["parabola"] for d in draws])
        | {"bound": any(bound for tops in point["tops"] for _, bound in tops)},
        "cells": _interval(point["cells"], [d["cells"] for d in draws]),
    }


def _told(
    level: Level, curve: tuple[np.ndarray, np.ndarray], tops: Sequence[tuple[float, bool]]
) -> dict[str, Any]:
    spread = [float(cell.mean(axis=1).std(ddof=1)) if len(cell) > 1 else None for cell in level.single]
    return {
        "level": level.level,
        "seeds": [len(cell) for cell in level.single],
        "cells": list(level.names),
        "pass@1": curve[0].tolist(),
        "pass@1_sd_over_seeds": spread,
        "pass@k": curve[1].tolist(),
        "r_star": [float(np.exp(x)) for x, _ in tops],
        "bound": [bool(bound) for _, bound in tops],
    }


def surface(scores: Sequence[dict[str, Any]], judged: Sequence[int], *, replicates: int) -> dict[str, Any]:
    """C1 by the family surface of all bases of all seeds."""
    data = family_of(scores)
    names = [s["name"] for s in scores]
    rng = np.random.default_rng(1)
    size = len(data.category)
    isolines = [data.full_levels()[level] for level in judged]
    limits = data.measured()
    fitted = fit_family(data.rows())
    point = _shift(fitted, isolines, limits)
    values = []
    for _ in range(replicates):
        index = np.concatenate([rng.choice(at, len(at)) for at in _same(names)])
        weights = np.bincount(rng.integers(0, size, size), minlength=size).astype(float)
        some = fit_family(_at(data, index).rows(), weights=weights, start=fitted)
        values.append(_shift(some, isolines, limits)[0])
    return _interval(point[0], values) | {
        "optima": point[1],
        "bound": any(o["edges"] for pair in point[1] for o in pair),
    }


def _same(names: Sequence[str]) -> list[np.ndarray]:
    return [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]


def _at(data: Family, index: np.ndarray) -> Family:
    arrays = {name: getattr(data, name)[index] for name in ("params", "tokens", "post", "levels", "n", "c")}
    return replace(data, keys=tuple(data.keys[i] for i in index), log_p=None, **arrays)


def _shift(
    fitted: FamilySurface, isolines: Sequence[float], limits: Measured
) -> tuple[float, list[list[dict[str, Any]]]]:
    found = shifts(fitted.accuracy, train_flops=isolines, served_flops=SERVED, measured=limits)
    optima = [
        [{"r": o.ratio, "params": o.params, "edges": list(o.edges)} for o in (s.single, s.corrected)]
        for s in found
    ]
    return float(np.mean([s.log_ratio for s in found])), optima


def _interval(value: float, replicates: Sequence[float]) -> dict[str, Any]:
    low, high = np.quantile(replicates, [0.025, 0.975])
    share = float((np.array(replicates) > 0).mean())
    return {"value": value, "low": float(low), "high": float(high), "p_positive": share}


def _passes(found: dict[str, Any]) -> bool:
    return bool(found["p_positive"] >= PASSES and not found["bound"])


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("ladders", nargs="+", type=Path, help="directories of small, one for each seed")
    args = options.parse_args()
    replicates, surfaces = (100, 5) if args.quick else (REPLICATES, SURFACES)
    torch.set_num_threads(1)
    scores = likely(args.ladders)
    levels = levels_of(scores)
    judged = [level for level in levels if level.judged]
    result: dict[str, Any] = {
        "machine": machine(),
        "served_flops": SERVED,
        "problems": len(scores[0]["p"]),
        "nll": {f"{s['name']} seed {s['seed']}": s["nll"] for s in scores},
        "claims": {},
    }
    result["beside"] = [
        measured([level], seeds=True, replicates=replicates) for level in levels if not level.judged
    ]
    if judged:
        result["measured"] = found = measured(judged, seeds=True, replicates=replicates)
        result["claims"] = {
            "V": next((o["share"] >= PASSES for o in found["open"] if o["level"] == 5), None),
            "C1_parabola": _passes(found["parabola"]),
        }
        counts = read(args.ladders, post=False)
        if counts:
            result["surface"] = fits = surface(counts, [v.level for v in judged], replicates=surfaces)
            result["claims"]["C1_surface"] = _passes(fits)
    post = read(args.ladders, post=True)
    if after := _level(5, (s for s in post if s["seed"] == 0)):
        result["post"] = found = measured(after, seeds=False, replicates=replicates)
        result["claims"]["C3"] = _passes(found["parabola"])
    if (every := _level(5, post)) and every[0].judged:
        result["post_all_seeds"] = measured(every, seeds=True, replicates=replicates)
    if (sixth := _level(6, post)) and sixth[0].judged:
        result["post_level_6"] = found = measured(sixth, seeds=True, replicates=replicates)
        result["claims"]["C3_level_6"] = _passes(found["parabola"])
    CONSOLE.print(json.dumps({k: v for k, v in result.items() if k != "machine"}, indent=1))
    save("t2_small", result, args=args)


if __name__ == "__main__":
    main()
