"""Every checkpoint of a ladder: its bases, what they became by post-training, and others that join by
``external.yaml`` (``rl.ladder.external``), which post-training takes like the ladder's own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.config.errors import ConfigError
from rl.ladder.external import read_external
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
    """Its rows in order, each base followed by what post-training here made of it."""
    if not directory.external.is_file():
        return []
    own = {cell.name for cell in directory.ladder().cells()}
    rows = read_external(directory.external).checkpoints
    given = {row.base for row in rows if row.post}
    made = []
    for row in rows:
        if row.base in own:
            raise ConfigError(
                f"{directory.external}: {row.base} is the name of a base of the ladder; give it another"
            )
        common: dict[str, Any] = {
            "name": row.base,
            "params": row.params,
            "params_total": row.params_total or row.params,
            "tokens": row.tokens,
            "level": None,
        }
        model = Path(row.model).expanduser()
        made.append(Checkpoint(model=model, post=row.post, post_flops=row.post_flops, **common))
        trained = directory.post(row.base)
        if not row.post and row.base not in given and (trained / "post.json").is_file():
            flops = json.loads((trained / "post.json").read_text(encoding="utf-8"))["post_flops"]
            made.append(Checkpoint(model=trained / "model", post=True, post_flops=flops, **common))
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
