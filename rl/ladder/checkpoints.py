"""Every checkpoint of a ladder: its bases, what they became by post-training, and others that join by
``external.yaml``.

``external.yaml``::

    checkpoints:
      - {name: pythia-70m, model: DIR, params: 18915328, params_total: 70426624, tokens: 300e9}
      - {name: pythia-70m+rl, model: DIR, params: 18915328, tokens: 300e9, post: true, post_flops: 1.0e15}
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError

from rl.config.base import Section
from rl.config.errors import ConfigError
from rl.ladder.layout import LadderDir


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One model that can be scored."""

    name: str
    """Name of the base it is or came from."""
    model: Path
    params: int
    params_total: int
    tokens: float
    post: bool
    post_flops: float
    level: int | None
    """Isoline; None for external ones."""

    @property
    def key(self) -> str:
        """Name of its scores: the base's, with ``+rl`` where post-trained."""
        return f"{self.name}+rl" if self.post else self.name


class ExternalCheckpoint(Section):
    """One row of ``external.yaml``."""

    name: str
    model: str
    params: PositiveInt
    """Without embeddings."""
    params_total: PositiveInt | None = None
    tokens: PositiveFloat
    post: bool = False
    post_flops: NonNegativeFloat = 0.0


class ExternalFile(Section):
    """``external.yaml``."""

    checkpoints: tuple[ExternalCheckpoint, ...]


def all_checkpoints(directory: LadderDir) -> list[Checkpoint]:
    """Return the checkpoints that are there now, bases first, in order of compute."""
    ladder = directory.ladder()
    bases, posts = [], []
    for cell in ladder.cells():
        if directory.has_cell(cell.name):
            facts = json.loads((directory.cell(cell.name) / "cell.json").read_text(encoding="utf-8"))
            common: dict[str, Any] = {
                "name": cell.name,
                "params": cell.params,
                "params_total": cell.params_total,
                "tokens": facts["tokens"],
                "level": cell.level,
            }
            bases.append(
                Checkpoint(model=directory.cell(cell.name) / "model", post=False, post_flops=0.0, **common)
            )
            trained = directory.post(cell.name)
            if (trained / "post.json").is_file():
                flops = json.loads((trained / "post.json").read_text(encoding="utf-8"))["post_flops"]
                posts.append(Checkpoint(model=trained / "model", post=True, post_flops=flops, **common))
    return bases + posts + _external(directory)


def _external(directory: LadderDir) -> list[Checkpoint]:
    if not directory.external.is_file():
        return []
    try:
        file = ExternalFile.model_validate(yaml.safe_load(directory.external.read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{directory.external}: {wrong}") from error
    made = []
    for row in file.checkpoints:
        model = Path(row.model).expanduser()
        if not (model / "config.json").is_file():
            raise ConfigError(
                f"{directory.external}: {row.name}: {model} holds no config.json; give a Hugging Face model"
                " directory"
            )
        made.append(
            Checkpoint(
                name=row.name.removesuffix("+rl") if row.post else row.name,
                model=model,
                params=row.params,
                params_total=row.params_total or row.params,
                tokens=row.tokens,
                post=row.post,
                post_flops=row.post_flops,
                level=None,
            )
        )
    return made


def chosen(checkpoints: list[Checkpoint], only: list[str]) -> list[Checkpoint]:
    """Those named, by base name or by key.

    Raises:
        ConfigError: a name that is none of them.
    """
    if not only:
        return checkpoints
    known = {c.name for c in checkpoints} | {c.key for c in checkpoints}
    unknown = sorted(set(only) - known)
    if unknown:
        raise ConfigError(
            f"--cells: no checkpoint {', '.join(unknown)} here; there are"
            f" {', '.join(sorted(known)) or 'none'}"
        )
    return [c for c in checkpoints if c.name in only or c.key in only]
