"""The scores of a ladder as arrays: what the surfaces are fitted to and judged by."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.estimators.pass_at_k import pass_at_k
from planner.t2.budget import Measured
from planner.t2.holdout import KS
from planner.t2.rows import FamilyRows
from rl.config.errors import ConfigError
from rl.ladder.checkpoints import all_checkpoints
from rl.ladder.layout import LadderDir
from rl.ladder.sampled import Axis, axes_of, read_sampled, scores_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """J checkpoints in full precision on P problems."""

    keys: tuple[str, ...]
    params: np.ndarray
    tokens: np.ndarray
    post: np.ndarray
    levels: np.ndarray
    """0 for external checkpoints."""
    n: np.ndarray
    """[J, P]."""
    c: np.ndarray
    log_p: np.ndarray | None
    """[J, P]; None where the ladder has no likelihood mode."""
    categories: tuple[str, ...]
    category: np.ndarray
    """[P]."""

    @property
    def ratios(self) -> np.ndarray:
        """[J] D/N."""
        return self.tokens / self.params

    def of(self, chosen: np.ndarray) -> "Family":
        """The checkpoints [J] that are True."""
        return Family(
            keys=tuple(k for k, keep in zip(self.keys, chosen, strict=True) if keep),
            params=self.params[chosen],
            tokens=self.tokens[chosen],
            post=self.post[chosen],
            levels=self.levels[chosen],
            n=self.n[chosen],
            c=self.c[chosen],
            log_p=None if self.log_p is None else self.log_p[chosen],
            categories=self.categories,
            category=self.category,
        )

    def rows(self) -> FamilyRows:
        """As the family surface takes them."""
        checkpoint, problem = (x.ravel() for x in np.mgrid[: len(self.keys), : len(self.category)])
        return FamilyRows(
            params=self.params,
            tokens=self.tokens,
            post=self.post,
            categories=self.categories,
            checkpoint=checkpoint,
            problem=problem,
            category=self.category[problem],
            n=self.n.ravel(),
            c=self.c.ravel(),
        )

    def measured(self) -> Measured:
        """Limits of a search."""
        return Measured(
            params=(float(self.params.min()), float(self.params.max())),
            tokens=(float(self.tokens.min()), float(self.tokens.max())),
        )

    def pass_at(self, k: np.ndarray, draw: np.ndarray | None = None) -> np.ndarray:
        """[J] measured pass@k, each checkpoint at its own k [J], rounded and within its samples; ``draw``
        [P]: of problems."""
        where = np.arange(len(self.category)) if draw is None else draw
        whole = np.clip(np.round(k), 1, self.n.min()).astype(int)
        return np.array(
            [
                pass_at_k(self.n[j][where], self.c[j][where], int(whole[j])).mean()
                for j in range(len(self.keys))
            ]
        )

    def pass_table(self, ks: Sequence[int] = KS) -> np.ndarray:
        """[J, K] measured pass@k, NaN where k exceeds the samples."""
        rows = [
            [float(pass_at_k(n, c, k).mean()) if k <= n.min() else np.nan for k in ks]
            for n, c in zip(self.n, self.c, strict=True)
        ]
        return np.array(rows)

    def full_levels(self, min_cells: int = 3) -> dict[int, float]:
        """Isoline -> its training FLOPs (geometric mean), where it has enough cells."""
        flops = 6 * self.params * self.tokens
        found = {}
        for level in sorted({int(x) for x in self.levels if x > 0}):
            cells = (self.levels == level) & (self.post == self.post.min())
            if cells.sum() >= min_cells:
                found[level] = float(np.exp(np.log(flops[cells]).mean()))
        return found


def load_scores(directory: LadderDir) -> list[dict[str, Any]]:
    """Every file of scores that belongs to a checkpoint, quantised ones included.

    Raises:
        ConfigError: there is none.
    """
    found = []
    for checkpoint in all_checkpoints(directory):
        name = checkpoint.key
        for file in [
            directory.eval_file(name),
            *sorted(directory.eval_file(name).parent.glob(f"{name}@int*.json")),
        ]:
            if file.is_file():
                found.append(json.loads(file.read_text(encoding="utf-8")))
    if not found:
        raise ConfigError(f"{directory.path} has no scores yet: t2rl bases eval {directory.path}")
    return found


def sampled_scores(directory: LadderDir, axis: Axis | None) -> list[dict[str, Any]]:
    """The same of what the engines sampled: one entry for each checkpoint at ``axis``, or at every axis that
    was asked for.

    Raises:
        ConfigError: there is none, or a checkpoint was not sampled at that axis.
    """
    found = []
    for checkpoint in all_checkpoints(directory):
        file = read_sampled(directory, checkpoint.key)
        if file is not None:
            found += [scores_at(file, one) for one in ([axis] if axis else axes_of(file))]
    if not found:
        raise ConfigError(
            f"{directory.path} has no samples of the engines: t2rl bases eval {directory.path} --config NAME"
        )
    return found


def chosen_axis(directory: LadderDir, temperature: float | None, max_tokens: int | None) -> Axis | None:
    """The temperature and limit that surfaces are fitted at; None for the scores of ``eval/KEY.json``.

    What is not given is the first temperature, and the limit, that the first checkpoint was sampled at. Where
    nothing is given, the engines' samples are read only if there are no other scores.
    """
    checkpoints = all_checkpoints(directory)
    given = temperature is not None or max_tokens is not None
    if not given and any(directory.eval_file(c.key).is_file() for c in checkpoints):
        return None
    files = (read_sampled(directory, c.key) for c in checkpoints)
    first = next((file for file in files if file is not None), None)
    if first is None and not given:
        return None
    if first is None:
        raise ConfigError(
            f"--temperature and --max-tokens are of samples of the engines, and {directory.path} has none:"
            f" t2rl bases eval {directory.path} --config NAME"
        )
    return Axis(
        temperature=float(next(iter(first["temperatures"]))) if temperature is None else temperature,
        max_tokens=first["max_tokens"] if max_tokens is None else max_tokens,
    )


def only_categories(scores: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """The same with the problems of some categories alone; lengths stay those of all problems.

    Raises:
        ConfigError: a name that no problem has.
    """
    known = {r["category"] for s in scores for r in s["rows"]}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ConfigError(
            f"--categories: no problem of {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
    return [{**s, "rows": [r for r in s["rows"] if r["category"] in names]} for s in scores]


def family_of(scores: Sequence[dict[str, Any]]) -> Family:
    """Arrays of the full-precision scores.

    Raises:
        ConfigError: checkpoints were scored on different problems.
    """
    full = [s for s in scores if not s["bits"]]
    ids = [r["id"] for r in full[0]["rows"]]
    other = next((s["key"] for s in full if [r["id"] for r in s["rows"]] != ids), None)
    if other is not None:
        raise ConfigError(
            f"{other} was scored on other problems than {full[0]['key']}: remove its file in eval/ and score"
            " it again"
        )
    names = [r["category"] for r in full[0]["rows"]]
    categories = tuple(sorted(set(names)))
    likely = all(r["logp"] is not None for s in full for r in s["rows"])
    return Family(
        keys=tuple(s["key"] for s in full),
        params=np.array([s["params"] for s in full], dtype=np.float64),
        tokens=np.array([s["tokens"] for s in full], dtype=np.float64),
        post=np.array([int(s["post"]) for s in full]),
        levels=np.array([s["level"] or 0 for s in full]),
        n=np.array([[r["n"] for r in s["rows"]] for s in full]),
        c=np.array([[r["c"] for r in s["rows"]] for s in full]),
        log_p=np.array([[r["logp"] for r in s["rows"]] for s in full]) if likely else None,
        categories=categories,
        category=np.array([categories.index(n) for n in names]),
    )
