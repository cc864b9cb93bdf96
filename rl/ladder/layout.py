"""The directory of a ladder: what lies where. Everything in it is written in one rename, so that a kill
leaves nothing half done.

Layout::

    DIR/ladder.yaml                 the resolved ladder
        external.yaml               optional: other checkpoints that join (rl.ladder.external)
        cells/NAME/{cell.json,model/}
        post/NAME/{post.json,model/}
        eval/NAME[+rl][@int4].json  facts, then per-problem rows
        eval/sampled/NAME[+rl].json the same of the engines, with lengths (rl.ladder.sampled)
        work/                       unfinished trunks and branches
        plan/                       surface.json, tradeoff.csv, pictures
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from rl.config.errors import ConfigError
from rl.ladder.external import read_external
from rl.ladder.ladder import Cell, LadderConfig, load_ladder


class LadderDir:
    """Paths of one ladder."""

    def __init__(self, path: Path) -> None:
        """Name a directory; nothing is created."""
        self.path = path
        self.plan = path / "plan"
        self.external = path / "external.yaml"
        self._ladder = path / "ladder.yaml"

    def cell(self, name: str) -> Path:
        """Return the directory of one base."""
        return self.path / "cells" / name

    def has_cell(self, name: str) -> bool:
        """True once the base is whole."""
        return (self.cell(name) / "cell.json").is_file()

    def post(self, name: str) -> Path:
        """Return the directory of one post-trained base."""
        return self.path / "post" / name

    def eval_file(self, key: str) -> Path:
        """Scores of one checkpoint, ``NAME``, ``NAME+rl``, ``NAME@int4``, ..."""
        return self.path / "eval" / f"{key}.json"

    def sampled_file(self, key: str) -> Path:
        """Samples of one checkpoint by the engines."""
        return self.path / "eval" / "sampled" / f"{key}.json"

    def trunk(self, size: str) -> Path:
        """Unfinished trunk of a size."""
        return self.path / "work" / f"{size}.pt"

    def branch(self, name: str) -> Path:
        """Unfinished branch of a cell."""
        return self.path / "work" / f"{name}.pt"

    def progress(self, size: str) -> Path:
        """How far a size has come, for the progress bar of another process."""
        return self.path / "work" / f"{size}.progress.json"

    @staticmethod
    def facts(cell: Cell) -> dict[str, Any]:
        """Return what is known of a cell beforehand."""
        return {
            "name": cell.name,
            "size": cell.size,
            "ratio": cell.ratio,
            "params": cell.params,
            "params_total": cell.params_total,
            "target_tokens": cell.tokens,
            "train_flops": cell.train_flops,
            "level": cell.level,
        }

    @staticmethod
    def write_json(path: Path, content: Any) -> None:
        """Atomic; makes the folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(path.name + ".tmp")
        scratch.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        scratch.replace(path)

    def adopt(self, ladder: LadderConfig) -> None:
        """Write the ladder down, or check that the directory is of the same one; more levels may be added
        later.

        Raises:
            ConfigError: the directory holds another ladder.
        """
        if self._ladder.is_file():
            there = load_ladder(str(self._ladder))
            if there.model_copy(update={"max_level": None}) != ladder.model_copy(update={"max_level": None}):
                raise ConfigError(
                    f"{self.path} holds another ladder ({there.name}, see ladder.yaml); give --dir a new"
                    " directory"
                )
        self.path.mkdir(parents=True, exist_ok=True)
        self._ladder.write_text(
            yaml.safe_dump(ladder.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
        )

    def ladder(self) -> LadderConfig:
        """Read the ladder that ``adopt`` wrote. A directory of nothing but ``external.yaml`` is a ladder
        without bases of its own, if that file says what they are evaluated on.

        Raises:
            ConfigError: the directory is no ladder's.
        """
        if not self._ladder.is_file() and self.external.is_file():
            evaluation = read_external(self.external).evaluation
            if evaluation is None:
                raise ConfigError(
                    f"{self.external}: evaluation: is needed where there is no ladder.yaml, for example"
                    " evaluation: {levels: [1], samples: 64}"
                )
            return load_ladder("smoke").model_copy(update={"name": self.path.name, "evaluation": evaluation})
        if not self._ladder.is_file():
            raise ConfigError(
                f"{self.path} has no ladder.yaml: build it first with t2rl bases build LADDER --dir"
                f" {self.path}"
            )
        return load_ladder(str(self._ladder))

    @contextmanager
    def locked(self, task: str) -> Iterator[None]:
        """One build, one post-training and one evaluation at a time; released by the kernel when its holder
        dies.

        Raises:
            ConfigError: another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / f".{task}.lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigError(
                    f"{self.path}: another t2rl bases {task} is at work there; wait for it to end"
                ) from error
            yield
