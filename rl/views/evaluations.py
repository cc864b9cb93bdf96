"""A run's held-out counts, one :class:`Counts` for each version and temperature."""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rl.views.rows import Row
from rollout.json_lines import text_lines
from rollout.types import SamplingConfig

_FILE = re.compile(r"version-(\d{8})\.jsonl")
_LIKELIHOOD = re.compile(r"likelihood-(\d{8})\.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Per-problem successes of one policy version under one sampling config."""

    version: int
    """Optimizer steps behind it; 0 is the base."""
    sampling: SamplingConfig
    """Temperature 0 is greedy."""
    rows: list[Row]
    """One for each problem: ``{id, category, difficulty, n, c, tokens, unjudged, reward, truncated,
    prompt_tokens}``; a suite's also ``majority`` {k: maj@k}.

    ``n`` completions were judged, ``c`` of them right, with ``tokens`` together; ``unjudged`` could not be,
    and count nowhere. ``reward`` is the sum of the judged ones' values. ``truncated`` ended at the limit of
    tokens, of judged and unjudged ones.
    """

    @property
    def greedy(self) -> bool:
        """True for temperature 0, one sample."""
        return self.sampling.temperature == 0

    @property
    def pass_rate(self) -> float:
        """Mean of c/n over problems with a judged completion (pass@1; greedy accuracy at temperature 0); NaN
        if there is none."""
        rates = [row["c"] / row["n"] for row in self.rows if row["n"]]
        return sum(rates) / len(rates) if rates else math.nan

    @property
    def unjudged(self) -> int:
        """Completions that could not be judged."""
        return sum(row.get("unjudged", 0) for row in self.rows)

    @property
    def label(self) -> str:
        """``greedy`` or ``T=0.6``."""
        return "greedy" if self.greedy else f"T={self.sampling.temperature:g}"


def read_counts(path: Path, *, max_tokens: int, top_p: float) -> list[Counts]:
    """The counts of one evaluation file, one for each temperature, in file order.

    ``top_p`` and ``max_tokens``: what the run sampled with (its config); the file does not say.

    Raises:
        ValueError: a line is not JSON or is not a row of counts; names the file and the line.
    """
    version, by_temperature = -1, dict[float, list[Row]]()
    for number, line in text_lines(path):
        try:
            row = json.loads(line)
            version, temperature = row.pop("version"), row.pop("temperature")
        except (json.JSONDecodeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}:{number}: not a row of held-out counts ({error})") from error
        by_temperature.setdefault(temperature, []).append(row)
    return [
        Counts(
            version=version,
            sampling=SamplingConfig(temperature=t, top_p=1.0 if t == 0 else top_p, max_tokens=max_tokens),
            rows=rows,
        )
        for t, rows in by_temperature.items()
    ]


def evaluation_file(directory: Path, version: int) -> Path:
    """Where the counts of a version are."""
    return directory / f"version-{version:08d}.jsonl"


def version_of(path: Path) -> int:
    """The version that a file of counts or likelihoods is of."""
    return int(path.stem[-8:])


def by_version(paths: Iterable[Path]) -> dict[int, Path]:
    """Version -> the file that is of it."""
    return {version_of(path): path for path in paths}


def is_likelihood(path: Path) -> bool:
    """Whether a file of an evaluation holds passages' likelihoods, and not counts."""
    return _LIKELIHOOD.fullmatch(path.name) is not None


def suite_folders(directory: Path) -> dict[str, Path]:
    """Suite -> its folder in a run's ``eval``; a folder without counts or likelihoods is none."""
    if not directory.is_dir():
        return {}
    folders = sorted(path for path in directory.iterdir() if path.is_dir())
    return {path.name: path for path in folders if evaluation_files(path) or likelihood_files(path)}


def likelihood_files(directory: Path) -> list[Path]:
    """The files of passages' likelihoods, oldest version first."""
    return sorted(path for path in directory.iterdir() if _LIKELIHOOD.fullmatch(path.name))


def evaluation_files(directory: Path) -> list[Path]:
    """The files of counts in a run's ``eval``, oldest version first; none without the directory."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if _FILE.fullmatch(path.name))
