"""How often a reward errs, from completions whose truth somebody has labelled, in the form that the planner
reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from planner.estimators.bootstrap import wilson
from rl.commands.rewards.rows import Row, read_rows
from rl.scorers.rules import check_of, rules_of

LABEL = "label"


@dataclass(frozen=True, slots=True)
class Rate:
    """c of n, with 95% Wilson limits."""

    c: int
    n: int

    @property
    def value(self) -> float:
        """The share."""
        return self.c / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's limits."""
        low, high = wilson(self.c, self.n)
        return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of wrong and of right completions that the reward accepts."""

    fpr: Rate
    tpr: Rate

    def to_json(self) -> dict[str, Any]:
        """``fpr``, ``tpr``, their intervals and how many completions they are of; the planner reads the first
        two."""
        return {
            "fpr": self.fpr.value,
            "tpr": self.tpr.value,
            "fpr_interval": list(self.fpr.interval),
            "tpr_interval": list(self.tpr.interval),
            "wrong": self.fpr.n,
            "right": self.tpr.n,
        }


def read_labelled(path: Path, reward: str, args: Mapping[str, Any]) -> tuple[list[Row], list[bool]]:
    """Rows {completion, label, answer, ...} without their labels, and the labels: true where the completion
    is truly right.

    Raises:
        ValueError: A row or its label is wrong, with file and line; or one of the two labels never occurs.
    """
    if not path.is_file():
        raise ValueError(f"--labelled {path}: no such file")
    rules = rules_of(reward)
    rows: list[Row] = []
    labels: list[bool] = []
    for row in read_rows(path, required=(*rules.required, LABEL), check=check_of(reward, args)):
        facts = dict(row.prompt.metadata)
        label = facts.pop(LABEL)
        if label not in (True, False, 0, 1):
            raise ValueError(f"{path}: row {len(rows) + 1}: label: true or false is needed, not {label!r}")
        rows.append(replace(row, prompt=replace(row.prompt, metadata=facts)))
        labels.append(bool(label))
    if len(set(labels)) < 2:
        missing = "true" if not any(labels) else "false"
        raise ValueError(f"{path}: no row has the label {missing}; both rates are needed, so both labels are")
    return rows, labels


def rates_of(accepted: Sequence[bool], labels: Sequence[bool]) -> Rates:
    """From verdicts and truth."""
    right = [yes for yes, truth in zip(accepted, labels, strict=True) if truth]
    wrong = [yes for yes, truth in zip(accepted, labels, strict=True) if not truth]
    return Rates(fpr=Rate(sum(wrong), len(wrong)), tpr=Rate(sum(right), len(right)))


def write_spec(path: Path, rates: Rates, *, reward: str, args: Mapping[str, Any]) -> None:
    """The file for ``t2rl plan queries --verifier-file`` and ``algorithm.advantage.planner.verifier_file``.

    Raises:
        ValueError: The reward accepts wrong completions as often as right ones, which no plan can use.
    """
    if rates.fpr.value >= rates.tpr.value:
        raise ValueError(
            f"--write-spec: fpr {rates.fpr.value:g} is not below tpr {rates.tpr.value:g}; nothing was written"
        )
    path.write_text(
        json.dumps({**rates.to_json(), "reward": reward, "reward_args": dict(args)}, indent=2) + "\n",
        encoding="utf-8",
    )
