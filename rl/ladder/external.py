"""Checkpoints from elsewhere that join a ladder, or make one of their own, by ``external.yaml``.

``external.yaml``::

    checkpoints:
      - {name: pythia-70m, model: DIR, params: 18915328, params_total: 70426624, tokens: 300e9}
      - {name: pythia-70m, model: DIR, params: 18915328, tokens: 300e9, post: true, post_flops: 1.0e15}
    evaluation: {levels: [1], samples: 64}     # only where the directory has no ladder.yaml
"""

from collections import Counter
from pathlib import Path

import yaml
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError

from rl.config.base import Section
from rl.config.errors import ConfigError
from rl.config.sections import PathName
from rl.ladder.ladder import LadderEvaluation


class ExternalCheckpoint(Section):
    """One row of ``external.yaml``."""

    name: PathName
    """Name of the base; a post-trained row has it too."""
    model: str
    params: PositiveInt
    """Without embeddings."""
    params_total: PositiveInt | None = None
    tokens: PositiveFloat
    post: bool = False
    post_flops: NonNegativeFloat = 0.0

    @property
    def base(self) -> str:
        """Name of the base; ``NAME+rl`` is read as NAME."""
        return self.name.removesuffix("+rl") if self.post else self.name


class ExternalFile(Section):
    """``external.yaml``."""

    checkpoints: tuple[ExternalCheckpoint, ...] = Field(min_length=1)
    evaluation: LadderEvaluation | None = None
    """The problems, where no ladder names them."""


def read_external(path: Path) -> ExternalFile:
    """Read and check it.

    Raises:
        ConfigError: a field is wrong, a model is no model directory, or a name stands there twice.
    """
    try:
        file = ExternalFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path}: {wrong}") from error
    count = Counter((row.base, row.post) for row in file.checkpoints)
    if twice := sorted(f"{name}{' (post)' if post else ''}" for (name, post), n in count.items() if n > 1):
        raise ConfigError(f"{path}: {', '.join(twice)} stands there twice; scores lie under these names")
    for row in file.checkpoints:
        if not (Path(row.model).expanduser() / "config.json").is_file():
            raise ConfigError(
                f"{path}: {row.name}: {row.model} holds no config.json; give a Hugging Face model directory"
            )
    return file
