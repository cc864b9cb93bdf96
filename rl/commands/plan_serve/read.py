"""Candidates from run directories, sample files and counts, with the shape of each model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planner.cost.flops import ModelShape
from planner.estimators.counts_file import read_counts_file
from planner.joint.recorded import Recorded
from rl.config.errors import ConfigError
from rl.records.cost.model import read_model_cost
from rl.views.run_view import RunView, is_run

COLUMNS = ("step", "prompt_id", "prompt_length", "length", "correct", "judged", "temperature")
DEFAULT_PROMPT = 64.0


class CandidateConfig(BaseModel):
    """One entry of a candidates file."""

    model_config = ConfigDict(extra="forbid")
    name: str
    """In tables; unique."""
    samples: Path
    """A run directory, a Parquet file or folder of evaluation samples, or JSONL counts with ``tokens``."""
    model: Path | None = None
    """Directory of the model, for its shape; a run knows its own."""
    bits: int = Field(default=0, ge=0, le=16)
    """Bits of the weights, as the samples were drawn; 0 = as the device holds them."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Limit that the samples were drawn under; a run knows its own, else the longest sample."""
    temperature: float | None = None
    """Only the samples of this temperature."""
    prompt_tokens: float = Field(default=DEFAULT_PROMPT, ge=1)
    """Mean, where the samples do not say (counts)."""


class Read(BaseModel):
    """A candidate as it was read: without a cost."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    recorded: Recorded
    shape: ModelShape
    model: str
    """Name of the model's directory, by which measured costs know it too."""
    directory: Path


def read_candidates(paths: Sequence[Path], *, answers: bool) -> list[Read]:
    """One candidate for each entry and temperature.

    Args:
        paths: run directories, or YAML files with ``candidates: [{name, samples, model, ...}]``.
        answers: read the texts too, and the answers off them (votes need them).

    Raises:
        ConfigError: a path is neither, or an entry lacks something; names it.
    """
    entries = [entry for path in paths for entry in _entries(path)]
    names = [entry.name for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"candidates: {', '.join(twice)} is there twice; give each a name of its own")
    return [candidate for entry in entries for candidate in _read(entry, answers)]


def _entries(path: Path) -> list[CandidateConfig]:
    if is_run(path):
        return [CandidateConfig(name=path.resolve().name, samples=path)]
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(
            f"{path} is no run directory and no YAML file of candidates:"
            " candidates: [{name, samples, model, bits, ...}]"
        )
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = content.get("candidates") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{path}: a list  candidates: [{{name, samples, model, ...}}]  is expected")
    try:
        made = [CandidateConfig(**row) for row in rows]
    except (ValidationError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return [
        entry.model_copy(
            update={
                "samples": path.parent / entry.samples,
                "model": None if entry.model is None else path.parent / entry.model,
            }
        )
        for entry in made
    ]


def _read(entry: CandidateConfig, answers: bool) -> list[Read]:
    directory, shape = _shape(entry)
    model = directory.resolve().name
    if entry.samples.suffix == ".jsonl":
        return [Read(recorded=_from_counts(entry), shape=shape, model=model, directory=directory)]
    rows = _rows(entry, answers)
    longest = max(row["length"] for row in rows)
    drawn = RunView(entry.samples).setting("rollout.max_tokens") if is_run(entry.samples) else None
    limit = entry.max_tokens or max(int(drawn or 0), longest)
    found = []
    for temperature in sorted({row["temperature"] for row in rows}):
        if entry.temperature is None or temperature == entry.temperature:
            some = [row for row in rows if row["temperature"] == temperature]
            recorded = _recorded(entry, some, float(temperature), limit, answers)
            found.append(Read(recorded=recorded, shape=shape, model=model, directory=directory))
    if not found:
        raise ConfigError(f"{entry.name}: no samples at temperature {entry.temperature}")
    return found


def _rows(entry: CandidateConfig, answers: bool) -> list[dict[str, Any]]:
    """The judged samples of the newest evaluation."""
    columns = [*COLUMNS, *(("completion",) if answers else ())]
    if is_run(entry.samples):
        run = RunView(entry.samples)
        files = run.rollout_files(evaluation=True)
        if not files:
            raise ConfigError(
                f"{entry.samples} kept no samples of an evaluation (records.rollouts=none?); token limits and"
                " votes need them"
            )
        newest = files[-1].number
        table = run.rollouts(columns=columns, steps=range(newest, newest + 1), evaluation=True)
    elif entry.samples.exists():
        import pyarrow.dataset as ds

        table = ds.dataset(str(entry.samples), format="parquet").to_table(columns=columns)
    else:
        raise ConfigError(f"{entry.name}: samples: {entry.samples} does not exist")
    every = table.to_pylist()
    last = max((row["step"] for row in every), default=0)
    rows = [row for row in every if row["judged"] and row["step"] == last]
    if not rows:
        raise ConfigError(f"{entry.name}: {entry.samples} has no judged samples")
    return rows


def _recorded(
    entry: CandidateConfig, rows: list[dict[str, Any]], temperature: float, limit: int, answers: bool
) -> Recorded:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["prompt_id"], []).append(row)
    return Recorded(
        name=entry.name,
        bits=entry.bits,
        temperature=temperature,
        max_tokens=limit,
        problems=tuple(groups),
        prompt_tokens=np.array([float(group[0]["prompt_length"]) for group in groups.values()]),
        lengths=tuple(np.array([row["length"] for row in group]) for group in groups.values()),
        right=tuple(np.array([bool(row["correct"]) for row in group]) for group in groups.values()),
        answers=tuple(tuple(_answer(row["completion"]) for row in group) for group in groups.values())
        if answers
        else None,
    )


def _answer(text: str) -> str | None:
    from rewards.maths.extract import extract_answer

    found = extract_answer(text)
    return found.text.strip() if found is not None and found.text.strip() else None


def _from_counts(entry: CandidateConfig) -> Recorded:
    """Counts say a problem's mean length only."""
    rows = read_counts_file(entry.samples, temperature=entry.temperature)
    if lacking := [row.id for row in rows if row.tokens is None]:
        raise ConfigError(
            f"{entry.name}: {entry.samples}: row {lacking[0]!r} has no tokens (completion tokens of its n"
            " samples together), and a cost needs them"
        )
    lengths = [np.full(row.n, max((row.tokens or 0.0) / row.n, 1.0)) for row in rows]
    longest = int(np.ceil(max(float(x[0]) for x in lengths)))
    return Recorded(
        name=entry.name,
        bits=entry.bits,
        temperature=entry.temperature if entry.temperature is not None else 1.0,
        max_tokens=entry.max_tokens or longest,
        problems=tuple(row.id for row in rows),
        prompt_tokens=np.full(len(rows), entry.prompt_tokens),
        lengths=tuple(lengths),
        right=tuple(np.arange(row.n) < row.c for row in rows),
        lengths_known=False,
    )


def _shape(entry: CandidateConfig) -> tuple[Path, ModelShape]:
    directory = entry.model
    if directory is None and is_run(entry.samples):
        directory = _model_of(entry.samples)
    if directory is None:
        raise ConfigError(f"{entry.name}: name the directory of its model (model:), for its shape and cost")
    cost = read_model_cost(directory) if directory.is_dir() else None
    if cost is None:
        raise ConfigError(f"{entry.name}: {directory} holds no model (config.json and safetensors)")
    return directory, cost.shape


def _model_of(run: Path) -> Path | None:
    """The model that a run ended with, else a base that is a directory."""
    if (run / "model" / "config.json").is_file():
        return run / "model"
    base = RunView(run).setting("model.path")
    return Path(base) if base and (Path(base) / "config.json").is_file() else None
