"""Results of one model on suites, as they lie on disk: counts, samples, and the facts beside them.

::

    OUT/facts.json                              the model: path, number format, shape; the suites: how asked
        SUITE/version-00000000.jsonl            per-problem counts, for ``t2rl passk`` and the planner
        SUITE/rollouts/version-....parquet      every completion (docs/samples.md)
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from planner.cost.flops import ModelShape
from rl.commands.suites.targets import FACTS
from rl.records.cost.model import read_model_cost
from rl.views.evaluations import Counts, evaluation_file, read_counts


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteResult:
    """One model on one suite."""

    name: str
    directory: Path
    counts: list[Counts]
    """One for each temperature."""
    facts: dict[str, Any]
    """``file``, ``problems``, ``samples``, ``max_tokens``, ``top_p``, ``seconds``, ``gpus``, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResults:
    """One model on several suites."""

    label: str
    facts: dict[str, Any]
    suites: dict[str, SuiteResult]

    @property
    def shape(self) -> ModelShape | None:
        """For FLOPs; None where the checkpoint's tensors could not be read."""
        shape = self.facts.get("shape")
        return None if shape is None else ModelShape(**shape)


def model_facts(model: Path, *, trust: bool, dtype: str, device: str) -> dict[str, Any]:
    """Facts of a model that outlive its directory."""
    try:
        cost = read_model_cost(model, trust=trust)
    except ValueError:
        cost = None  # an architecture whose config does not say its layers: everything but FLOPs is there
    shape = None if cost is None else asdict(cost.shape)
    return {"model": str(model.resolve()), "dtype": dtype, "device": device, "shape": shape, "suites": {}}


def write_facts(out: Path, facts: dict[str, Any]) -> None:
    """Suites that earlier commands asked, and this one did not, stay."""
    path = out / FACTS
    if path.is_file():
        earlier = json.loads(path.read_text(encoding="utf-8"))
        if earlier.get("model") == facts["model"]:
            facts = {**facts, "suites": {**earlier["suites"], **facts["suites"]}}
    staging = path.with_suffix(".tmp")
    staging.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    staging.replace(path)


def read_results(label: str, out: Path, *, only: list[str] | None = None) -> ModelResults:
    """Read the results of a model.

    Args:
        label: in tables.
        out: the directory with its facts.
        only: suites; None = all.

    Raises:
        ValueError: no results there, or not of a suite that is wanted.
    """
    file = out / FACTS
    if not file.is_file():
        raise ValueError(f"{out} holds no {FACTS}; t2rl eval MODEL --suite NAME --to DIR writes one")
    facts = json.loads(file.read_text(encoding="utf-8"))
    asked: dict[str, dict[str, Any]] = facts["suites"]
    if missing := [name for name in only or () if name not in asked]:
        raise ValueError(f"{out} has no results of {', '.join(missing)}; it has {', '.join(asked)}")
    suites = {}
    for name in asked if only is None else only:
        about = asked[name]
        counts = read_counts(
            evaluation_file(out / name, 0), max_tokens=about["max_tokens"], top_p=about["top_p"]
        )
        suites[name] = SuiteResult(name=name, directory=out / name, counts=counts, facts=about)
    return ModelResults(label=label, facts=facts, suites=suites)
