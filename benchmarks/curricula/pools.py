"""Pools of simulated prompts for ``benchmarks/curricula/``: rows as ``t2rl curriculum simulate
--pool`` reads them, by seed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parents[1]
COUNTS = HERE / "data" / "qwen25math_counts.jsonl"
TRAJECTORIES = HERE.parent.parent / "shared" / "data" / "curriculum" / "pythia_learning_trajectories.jsonl"
"""Real success counts of base models over pretraining; not shipped (no licence), and its pool is left out
where it is missing."""
SHIFT = 4.0
"""Log-odds added to those trajectories: small base models hardly ever solve MATH or GSM8K; what counts is how
they learn."""
SIZE = 2048
Rows = list[dict[str, Any]]

LEVELS = (
    ("solved", 0.22, None, 1.0),
    ("unsolvable", 0.22, None, 0.0),
    ("nearly solved", 0.12, (30.0, 1.0), None),
    ("easy", 0.1, (8.0, 2.0), None),
    ("medium", 0.1, (4.0, 4.0), None),
    ("hard", 0.12, (2.0, 14.0), None),
    ("very hard", 0.12, (1.0, 40.0), None),
)
"""Name, share of the pool, Beta parameters or the one pass rate: seven levels, 44% of it without any
signal."""


def mixed(seed: int, *, size: int = SIZE) -> Rows:
    """A frozen pool of mixed difficulty; equal groups of 8 find both outcomes in well under half of its
    prompts."""
    rng = np.random.default_rng([seed, 1])
    names = rng.choice(len(LEVELS), size=size, p=[level[1] for level in LEVELS])
    rows: Rows = []
    for i, code in enumerate(names.tolist()):
        name, _, beta, constant = LEVELS[code]
        rate = constant if beta is None else float(rng.beta(*beta))
        rows.append({"id": f"m{i}", "category": name, "pass_rate": rate})
    return rows


def counted(seed: int, *, size: int = SIZE) -> Rows:
    """A frozen pool like 100 real MATH problems under Qwen2.5-Math: resampled, rates drawn from Beta(c + 1/2,
    8 - c + 1/2)."""
    rng = np.random.default_rng([seed, 2])
    problems = [json.loads(line) for line in COUNTS.read_text(encoding="utf-8").splitlines()]
    rows: Rows = []
    for i, pick in enumerate(rng.integers(len(problems), size=size).tolist()):
        problem = problems[pick]
        rate = float(rng.beta(problem["correct"] + 0.5, problem["n"] - problem["correct"] + 0.5))
        rows.append({"id": f"q{i}", "category": problem["level"], "pass_rate": rate})
    return rows


def learned(seed: int, *, size: int = SIZE) -> Rows:
    """A moving pool of our own: prompts are learned at different times, some before the run and some never;
    five kinds by onset."""
    rng = np.random.default_rng([seed, 3])
    progress = np.linspace(0, 1, 9)
    rows: Rows = []
    for i in range(size):
        onset, width = float(rng.uniform(-0.6, 1.6)), float(rng.uniform(0.05, 0.2))
        rates = 1 / (1 + np.exp(-(progress - onset) / width))
        rows.append(
            {
                "id": f"l{i}",
                "category": f"onset {np.floor(onset * 2.5) / 2.5:.1f}",
                "pass_rate": rates.tolist(),
            }
        )
    return rows


def pretraining(seed: int) -> Rows:
    """A moving pool of real trajectories (``TRAJECTORIES``), log-odds moved by ``SHIFT``; a category is a
    benchmark and a model.

    Raises:
        FileNotFoundError: the trajectories are not on this machine.
    """
    rows: Rows = []
    for number, line in enumerate(TRAJECTORIES.read_text(encoding="utf-8").splitlines()):
        problem = json.loads(line)
        points = [(c["correct"] + 0.5, c["n"] - c["correct"] + 0.5) for c in problem["checkpoints"]]
        rates = [1 / (1 + np.exp(-(np.log(right / wrong) + SHIFT))) for right, wrong in points]
        category = f"{problem['benchmark']} {problem['model']}"
        rows.append({"id": f"t{number}", "category": category, "pass_rate": [float(rate) for rate in rates]})
    return rows


PHASES = 4
"""Categories of ``moving`` that become learnable, one after the other."""


def moving(seed: int, *, size: int = SIZE) -> Rows:
    """Eight categories, one of them learnable at a time (p = 1/2), in an order that depends on the seed; then
    it is solved.

    Four take their turns, from impossible to solved; two are solved and two impossible throughout.
    """
    order = learnable(seed)
    points = 8 * PHASES + 1
    rows: Rows = []
    for i in range(size):
        category = i % 8
        if category in order:
            turn = order.index(category)
            begin, end = 8 * turn, 8 * (turn + 1)
            rates = [0.0 if p < begin else 0.5 if p < end else 1.0 for p in range(points)]
        else:
            rates = [float(category % 2)]
        rows.append({"id": f"n{i}", "category": f"c{category}", "pass_rate": rates})
    return rows


def learnable(seed: int) -> list[int]:
    """Codes of the categories of ``moving`` in the order of their turns."""
    return np.random.default_rng([seed, 4]).permutation(8)[:PHASES].tolist()


FROZEN: dict[str, Callable[[int], Rows]] = {"mixed": mixed, "counted": counted}
CHANGING: dict[str, Callable[[int], Rows]] = {"learned": learned, "pretraining": pretraining}


def available() -> Iterator[tuple[str, Callable[[int], Rows]]]:
    """Pools that can be made on this machine."""
    for name, make in {**FROZEN, **CHANGING}.items():
        if name != "pretraining" or TRAJECTORIES.is_file():
            yield name, make
