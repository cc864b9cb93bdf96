"""Cascades: a small model first, a larger one where the small one's answer is not taken.

A gate decides whether an answer is taken. Three gates, of which two can exist when the right answer is not
known:

- ``verifier``, perfect: accepts right answers and no others. An oracle on problems like GSM8K; real where
  answers can be checked (unit tests, proofs, exact constraints). It is an upper bound elsewhere.
- ``verifier`` with error rates measured on labelled samples (``VerifierSpec``).
- ``agreement``: the rung asks two models (or one model twice) and takes their answer if it is the same. Two
  right answers agree. Two wrong ones agree with probability ``collision``, which verdicts alone do not tell:
  0 and 1 bound it, and ``collision_rate`` measures it from the answers themselves.

See docs/methods/strategies.md#cascades.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from planner.verifiers.verifier import VerifierSpec

GATES = ("verifier", "agreement")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """M models on the same P problems."""

    models: tuple[str, ...]
    n: np.ndarray
    """[M, P] samples."""
    c: np.ndarray
    """[M, P] of which right."""
    cost: np.ndarray
    """[M, P] of one sample: FLOPs, seconds or money, one unit for all."""

    def __post_init__(self) -> None:
        shape = (len(self.models), self.n.shape[-1])
        if not self.n.shape == self.c.shape == self.cost.shape == shape:
            raise ValueError(
                f"verdicts of {shape[0]} models: n {self.n.shape}, c {self.c.shape} and cost"
                f" {self.cost.shape} must all be [models, problems]"
            )
        if np.any((self.c < 0) | (self.c > self.n) | (self.n < 1)):
            raise ValueError("verdicts: every model needs n >= 1 samples of every problem, and 0 <= c <= n")

    def of(self, problems: np.ndarray) -> "Verdicts":
        """Some of the problems: indices or a mask."""
        return Verdicts(
            models=self.models, n=self.n[:, problems], c=self.c[:, problems], cost=self.cost[:, problems]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of a cascade."""

    model: int
    """Index into ``Verdicts.models``."""
    partner: int | None = None
    """The other voice of an agreement gate; the same index asks the model twice. None with a verifier."""
    samples: int = 1
    """Most samples that a verifier is shown, one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Rungs in the order in which they are asked. The last one's answer stands, gate or not."""

    rungs: tuple[Rung, ...]
    gate: str = "verifier"
    verifier: VerifierSpec = field(default_factory=VerifierSpec)
    collision: float = 1.0

    def __post_init__(self) -> None:
        if self.gate not in GATES:
            raise ValueError(f"gate {self.gate!r} is none of {', '.join(GATES)}")
        if not self.rungs:
            raise ValueError("a cascade needs at least one rung")
        if not 0 <= self.collision <= 1:
            raise ValueError(f"collision {self.collision} is a probability: it lies in [0, 1]")
        if self.gate == "agreement" and any(rung.partner is None for rung in self.rungs[:-1]):
            raise ValueError("agreement: every rung but the last needs a partner to agree with")

    def name(self, models: Sequence[str]) -> str:
        """``a > b > c``; ``a+b`` where two must agree, ``a x4`` where a verifier sees four samples."""
        parts = []
        for rung in self.rungs:
            paired = "" if rung.partner is None else f"+{models[rung.partner]}"
            parts.append(models[rung.model] + paired + (f" x{rung.samples}" if rung.samples > 1 else ""))
        return " > ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Expectations, problem by problem."""

    right: np.ndarray
    """[P] probability that the answer given is right."""
    cost: np.ndarray
    """[P]."""


def outcome(cascade: Cascade, verdicts: Verdicts) -> Outcome:
    """Expected correctness and cost of every problem, samples of different rungs drawn independently.

    Raises:
        ValueError: a rung asks for more samples than are recorded.
    """
    size = verdicts.n.shape[1]
    reach, right, cost = np.ones(size), np.zeros(size), np.zeros(size)
    for i, rung in enumerate(cascade.rungs):
        last = i == len(cascade.rungs) - 1
        if rung.partner is None or last:
            taken, good, spent = _verify(rung, verdicts, cascade.verifier, last)
        else:
            taken, good, spent = _agree(rung, rung.partner, verdicts, cascade.collision)
        right += reach * good
        cost += reach * spent
        reach = reach * (1 - taken)
    return Outcome(right=right, cost=cost)


Step = tuple[np.ndarray, np.ndarray, np.ndarray]
"""([P] probability that the rung's answer is taken, [P] that it is taken and right, [P] cost)."""


def _agree(rung: Rung, partner: int, verdicts: Verdicts, collision: float) -> Step:
    """Two answers: both right agree, both wrong by ``collision``."""
    n, c = verdicts.n.astype(float), verdicts.c.astype(float)
    i, j = rung.model, partner
    first = c[i] / n[i]
    if i == j:
        _enough(n[i], 2, verdicts.models[i])
        # Two of the recorded samples, without replacement.
        both, neither = (x * (x - 1) / (n[i] * (n[i] - 1)) for x in (c[i], n[i] - c[i]))
    else:
        second = c[j] / n[j]
        both, neither = first * second, (1 - first) * (1 - second)
    return both + collision * neither, both, verdicts.cost[i] + verdicts.cost[j]


def _verify(rung: Rung, verdicts: Verdicts, spec: VerifierSpec, last: bool) -> Step:
    """Samples one after the other until one is accepted. The last sample of the last rung is taken anyway."""
    n, c = verdicts.n[rung.model].astype(float), verdicts.c[rung.model].astype(float)
    samples = rung.samples
    _enough(n, samples, verdicts.models[rung.model])
    reach, good, spent = np.ones(len(n)), np.zeros(len(n)), np.zeros(len(n))
    for j in range(samples):
        # A perfect verifier leaves only wrong samples behind: drawn without replacement, this is unbiased.
        p = c / (n - j) if spec.perfect else c / n
        p = np.clip(p, 0.0, 1.0)
        anyway = last and j == samples - 1
        accepted = np.ones(len(n)) if anyway else p * spec.tpr + (1 - p) * spec.fpr
        good += reach * (p if anyway else p * spec.tpr)
        spent += reach * verdicts.cost[rung.model]
        reach = reach * (1 - accepted)
    return 1 - reach, good, spent


def _enough(n: np.ndarray, samples: int, model: str) -> None:
    if samples > n.min():
        raise ValueError(
            f"a rung asks {model} for {samples} samples, but a problem has only {int(n.min())} recorded"
        )


def singles(verdicts: Verdicts) -> list[Cascade]:
    """Each model alone, one sample."""
    return [Cascade(rungs=(Rung(model=m),)) for m in range(len(verdicts.models))]


def candidates(
    verdicts: Verdicts,
    *,
    gate: str,
    depth: int = 3,
    samples: Sequence[int] = (1,),
    verifier: VerifierSpec | None = None,
    collision: float = 1.0,
) -> Iterator[Cascade]:
    """Cascades of at most ``depth`` rungs, models in order of mean cost; single models among them.

    With agreement every rung but the last is a pair of different models, or one model twice where two samples
    of it are recorded; a model of an earlier rung is not asked again.
    """
    spec = verifier or VerifierSpec()
    order = [int(m) for m in np.argsort(verdicts.cost.mean(axis=1), kind="stable")]
    yield from singles(verdicts)
    if gate == "verifier":
        for size in range(1, depth + 1):
            for chosen in combinations(order, size):
                for k in samples:
                    if size == 1 and k == 1:
                        continue
                    rungs = tuple(Rung(model=m, samples=k) for m in chosen)
                    yield Cascade(rungs=rungs, gate=gate, verifier=spec)
        return
    pairs = [(i, j) for a, i in enumerate(order) for j in order[a + 1 :]]
    pairs += [(i, i) for i in order if verdicts.n[i].min() >= 2]
    for count in range(1, depth):
        for chosen_pairs in combinations(pairs, count):
            used = [m for pair in chosen_pairs for m in set(pair)]
            if len(set(used)) < len(used):
                continue
            for final in order:
                if final not in used:
                    rungs = (*(Rung(model=i, partner=j) for i, j in chosen_pairs), Rung(model=final))
                    yield Cascade(rungs=rungs, gate=gate, collision=collision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Every candidate on every problem, so that choices can be made again for each draw of problems."""

    cascades: tuple[Cascade, ...]
    right: np.ndarray
    """[C, P]."""
    cost: np.ndarray
    """[C, P]."""

    def means(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[C] accuracy and [C] cost over problems given by index; one that is named twice counts twice."""
        weights = np.bincount(problems, minlength=self.right.shape[1]) / len(problems)
        return self.right @ weights, self.cost @ weights

    def cheapest(self, problems: np.ndarray, accuracy: float) -> int:
        """Index of the cheapest cascade that is at least so accurate on these problems; the most accurate one
        where none is."""
        right, cost = self.means(problems)
        enough = right >= accuracy - 1e-12
        if not enough.any():
            return int(np.lexsort((cost, -right))[0])
        return int(np.where(enough, cost, np.inf).argmin())

    def best_single(self, problems: np.ndarray) -> int:
        """Index of the most accurate single model on these problems, the cheaper of equals."""
        alone = np.array([len(c.rungs) == 1 and c.rungs[0].samples == 1 for c in self.cascades])
        right, cost = self.means(problems)
        return int(np.lexsort((cost, -np.where(alone, right, -1.0)))[0])


def tabulate(cascades: Sequence[Cascade], verdicts: Verdicts) -> Table:
    """Outcomes of all."""
    found = [outcome(cascade, verdicts) for cascade in cascades]
    return Table(
        cascades=tuple(cascades),
        right=np.array([o.right for o in found]),
        cost=np.array([o.cost for o in found]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """One choice, scored on problems that did not choose."""

    chosen: int
    saving: float
    """1 - cost of the cascade over that of the single model."""
    difference: float
    """Accuracy of the cascade minus that of the single model."""


def saving(
    table: Table, single: int | None, *, choose: np.ndarray, score: np.ndarray, margin: float = 0.0
) -> Saving:
    """The cheapest cascade that is as accurate as a single model on ``choose``, judged on ``score``.

    Args:
        table: of all cascades.
        single: index of the single model among them; None: the most accurate one on ``choose``.
        choose: [A] indices of the problems that choose.
        score: [B] indices of the problems that judge; none of ``choose``.
        margin: accuracy asked for above the single model's, against the optimism of choosing.
    """
    rival = table.best_single(choose) if single is None else single
    target = float(table.right[rival, choose].mean()) + margin
    best = table.cheapest(choose, target)
    spent, alone = (float(table.cost[i, score].mean()) for i in (best, rival))
    difference = float(table.right[best, score].mean() - table.right[rival, score].mean())
    return Saving(chosen=best, saving=1 - spent / alone, difference=difference)


def saving_replicates(
    table: Table, single: int | None, *, replicates: int, seed: int = 0, margin: float = 0.0
) -> list[Saving]:
    """Choice and score over random halves of the problems, each half drawn anew with replacement: what
    problems and the choice itself add to the uncertainty of ``saving``."""
    rng = np.random.default_rng(seed)
    size = table.right.shape[1]
    found = []
    for _ in range(replicates):
        order = rng.permutation(size)
        halves = order[: size // 2], order[size // 2 :]
        choose, score = (rng.choice(half, len(half)) for half in halves)
        found.append(saving(table, single, choose=choose, score=score, margin=margin))
    return found


def collision_rate(
    first: Sequence[Hashable | None], second: Sequence[Hashable | None], gold: Sequence[Hashable]
) -> tuple[int, int]:
    """(pairs of equal wrong answers, pairs that are both wrong) over problems [P]. A missing answer (None)
    agrees with nothing."""
    both = [(a, b) for a, b, g in zip(first, second, gold, strict=True) if a != g and b != g]
    return sum(a == b and a is not None for a, b in both), len(both)
