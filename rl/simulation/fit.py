"""Seconds of engines and learner, fitted to recorded runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from rl.simulation.recorded import GroupTimes, RecordedRun
from rl.simulation.spec import StepSeconds

ROUNDS = 4
"""Times that the engine's steps are laid out again with the seconds found."""
ENGINE_TERMS = ("steps", "sampled", "roots", "prompt_tokens")
LEARNER_TERMS = ("step_s", "update_s", "token_s", "reduce_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFit:
    """An engine's step, as the groups' times tell it."""

    seconds: StepSeconds
    overhead_s: float
    """Seconds of a group beyond the steps."""
    points: int
    error: float
    """Median relative error of a group's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerFit:
    """Seconds by term of ``rl.simulation.spec.LearnerSpec``."""

    seconds: dict[str, float]
    points: int
    error: float
    """Median relative error of a step's update."""


def fit_engine(runs: Sequence[tuple[RecordedRun, int, int]]) -> EngineFit:
    """From runs with their engines and ``max_num_seqs``.

    A group's time is the sum over the engine's steps from its arrival to its last token. Which steps those
    are follows from everything else that the engine had to do, so the steps are laid out with a guess of the
    seconds, a linear least-squares fit with coefficients >= 0 corrects the guess, and so on.
    """
    guess = _first_guess([run for run, _, _ in runs])
    for _ in range(ROUNDS):
        features, times = [], []
        for run, engines, seats in runs:
            for group, work in zip(run.groups, _lay_out(run.groups, engines, seats, guess), strict=True):
                if group.step >= 2:
                    features.append(work)
                    times.append(group.finished - group.issued)
        rows, target = np.array(features), np.maximum(np.array(times), 1e-6)
        guess, error = _least_squares(rows, target)
    named = dict(zip(ENGINE_TERMS, guess[:-1].tolist(), strict=True))
    return EngineFit(
        seconds=StepSeconds(**named), overhead_s=float(guess[-1]), points=len(target), error=error
    )


def fit_learner(runs: Sequence[RecordedRun]) -> LearnerFit:
    """From the seconds of updates: of any step, of each optimizer update, of each token of a rank, and of the
    exchange between ranks; coefficients >= 0."""
    features, times = [], []
    for run in runs:
        updates = run.view.setting("learner.updates_per_batch", 1)
        ranks = run.view.setting("learner.num_ranks", 1)
        for row in run.rows:
            several = updates if ranks > 1 else 0
            features.append([1.0, updates, row["learner/tokens"] / ranks, several])
            times.append(row["time/train_s"])
    rows, target = np.array(features), np.array(times)
    if len({float(row[1]) for row in rows}) == 1:
        rows[:, 1] = 0.0  # one number of updates cannot be told from what any step takes
    solved, error = _least_squares(rows, target)
    return LearnerFit(
        seconds=dict(zip(LEARNER_TERMS, solved.tolist(), strict=True)), points=len(target), error=error
    )


def _least_squares(rows: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """(coefficients >= 0 of least relative squares, median relative error). Points further off than four
    times the median are left out of a second fit: a neighbour's burst is no property of the system."""
    use = np.ones(len(target), dtype=bool)
    for _ in range(2):
        scaled = rows[use] / target[use, None]
        scale = np.maximum(np.abs(scaled).max(axis=0), 1e-12)
        values, _ = nnls(scaled / scale, np.ones(int(use.sum())))
        solved = values / scale
        errors = np.abs(rows @ solved / target - 1)
        use = errors <= max(4 * float(np.median(errors)), 1e-9)
    return solved, float(np.median(errors))


def _first_guess(runs: Sequence[RecordedRun]) -> np.ndarray:
    tokens = sum(sum(group.lengths) for run in runs for group in run.groups)
    seconds = sum(_busy_s(run.groups) for run in runs)
    guess = np.zeros(len(ENGINE_TERMS) + 1)
    guess[ENGINE_TERMS.index("sampled")] = seconds / tokens
    return guess


def _busy_s(groups: Sequence[GroupTimes]) -> float:
    """Seconds in which some group was out."""
    total, until = 0.0, -np.inf
    for group in groups:
        total += max(0.0, group.finished - max(until, group.issued))
        until = max(until, group.finished)
    return total


def _lay_out(groups: Sequence[GroupTimes], engines: int, seats: int, seconds: np.ndarray) -> list[np.ndarray]:
    """The work between each group's arrival and its last token, term by term and one for the overhead."""
    queues: list[list[int]] = [[] for _ in range(engines)]
    for index, group in enumerate(groups):  # the least loaded engine, as far as the true ends tell
        load = [
            sum(len(groups[i].lengths) for i in queue if groups[i].finished > group.issued)
            for queue in queues
        ]
        queues[int(np.argmin(load))].append(index)
    work: list[np.ndarray] = [np.zeros(len(ENGINE_TERMS) + 1)] * len(groups)
    for queue in queues:
        _replay([groups[i] for i in queue], queue, seats, seconds, work)
    return work


def _replay(
    groups: Sequence[GroupTimes],
    indices: Sequence[int],
    seats: int,
    seconds: np.ndarray,
    work: list[np.ndarray],
) -> None:
    """One engine, step by step; ``work`` is filled in at ``indices``."""
    total = np.zeros(len(ENGINE_TERMS))
    began: dict[int, np.ndarray] = {}
    left: dict[int, int] = {}
    now, next_up = 0.0, 0
    remaining, owner = np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    waiting: list[tuple[int, int]] = []
    while next_up < len(groups) or waiting or len(remaining):
        if not waiting and not len(remaining):
            now = max(now, groups[next_up].issued)
        while next_up < len(groups) and groups[next_up].issued <= now:
            began[next_up], left[next_up] = total.copy(), len(groups[next_up].lengths)
            waiting += [(next_up, length) for length in groups[next_up].lengths]
            next_up += 1
        room = seats - len(remaining)
        started, waiting = waiting[:room], waiting[room:]
        prompts = sum(groups[i].prompt_tokens for i in {i for i, _ in started})
        remaining = np.concatenate([remaining, np.array([n for _, n in started], dtype=int)])
        owner = np.concatenate([owner, np.array([i for i, _ in started], dtype=int)])
        step = np.array([1.0, len(remaining), len(remaining) ** 0.5, prompts])
        total, now = total + step, now + float(step @ seconds[:-1])
        remaining = remaining - 1
        for i in owner[remaining == 0].tolist():
            left[i] -= 1
            if left[i] == 0:
                work[indices[i]] = np.append(total - began[i], 1.0)
        owner, remaining = owner[remaining > 0], remaining[remaining > 0]
