"""A ladder: sizes x tokens per parameter, on isolines of training compute. Read from YAML, frozen,
checked."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError, model_validator

from rl.config.base import Section
from rl.config.compose import PACKAGED
from rl.config.errors import ConfigError, listed, suggest
from rl.config.model import CorpusConfig, RecipeConfig
from rl.config.sections import PathName
from rl.pretrain.tokenizer import VOCAB_SIZE

SHIPPED = PACKAGED / "bases"
LEVEL_STEP = 4.0
"""Compute of one isoline over that of the one below: doubling N, or four times the tokens per parameter."""


class SizeConfig(Section):
    """Shape of one model of the ladder."""

    hidden_size: PositiveInt
    num_layers: PositiveInt
    num_heads: PositiveInt
    head_dim: PositiveInt = 32
    intermediate_size: PositiveInt


class LadderEvaluation(Section):
    """The problems and settings that every checkpoint is scored on."""

    levels: tuple[PositiveInt, ...] = (1, 2, 3)
    problems_per_cell: PositiveInt = 20
    """For each (category, level), where the generator has as many."""
    samples: PositiveInt = 256
    """For each problem, in sampling mode."""
    max_tokens: PositiveInt = 24
    reference: str = "#{answer}"
    """The one right completion, for likelihood mode; empty turns that mode off (a chain of thought, several
    right answers)."""
    task: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the reasoning-gym task section, e.g. ``{style: question, extraction:
    last_number}``."""
    seed: NonNegativeInt = 0


class LadderConfig(Section):
    """One ladder of bases."""

    name: PathName
    sizes: dict[PathName, SizeConfig] = Field(min_length=1)
    ratios: tuple[PositiveFloat, ...] = Field(min_length=1)
    """Training tokens per non-embedding parameter."""
    max_level: PositiveInt | None = None
    """Leave out cells on isolines above this one."""
    decay_share: float = Field(default=0.15, gt=0, lt=1)
    """Last share of each cell's tokens, over which its branch decays the learning rates."""
    batch_tokens: PositiveInt = 1024
    lr: PositiveFloat = 0.02
    muon_lr: PositiveFloat = 0.02
    corpus: CorpusConfig = CorpusConfig(
        direct_share=1.0, sloppy_share=0.0, step_error=0.0, level_weights=(1.0, 1.0, 1.0)
    )
    unique_tokens: PositiveInt | None = None
    """Distinct tokens of the data, which are seen again in a new order once they are used up. None: an
    endless generator."""
    seed: NonNegativeInt = 0
    """Draws the initial weights and, added to the corpus's own, the documents."""
    evaluation: LadderEvaluation = LadderEvaluation()

    @model_validator(mode="after")
    def _cells(self) -> Self:
        if len(self.evaluation.levels) > len(self.corpus.level_weights):
            raise ValueError(
                "evaluation.levels: more levels than corpus.level_weights trains on; give weights for each"
            )
        if list(self.ratios) != sorted(set(self.ratios)):
            raise ValueError("ratios: must rise, each once")
        asked = self.evaluation.task.get("level_args", {})
        for category in self.evaluation.task.get("categories", self.corpus.level_args):
            trained = self.corpus.level_args.get(category)
            if trained is not None and tuple(asked.get(category, ())) != trained:
                raise ValueError(
                    f"evaluation.task.level_args.{category}: must be those of corpus.level_args (a YAML"
                    " anchor keeps them one)"
                )
        return self

    def recipe(self, size: str) -> RecipeConfig:
        """The recipe of one size; its ``tokens`` are those of the size's longest cell."""
        shape = self.sizes[size]
        longest = max(c.tokens for c in self.cells() if c.size == size)
        return self._recipe(size, shape, tokens=longest)

    def _recipe(self, size: str, shape: SizeConfig, *, tokens: int) -> RecipeConfig:
        return RecipeConfig(
            name=f"{self.name}-{size}",
            **shape.model_dump(),
            tokens=tokens,
            batch_tokens=self.batch_tokens,
            lr=self.lr,
            muon_lr=self.muon_lr,
            decay_share=self.decay_share,
            max_positions=128,
            corpus=self.corpus.model_copy(update={"seed": self.corpus.seed + self.seed}),
            seed=self.seed,
        )

    def cells(self) -> list["Cell"]:
        """Every cell up to ``max_level``, in order of compute."""
        params = {s: non_embedding(self._recipe(s, shape, tokens=1)) for s, shape in self.sizes.items()}
        lowest = min(params.values()) ** 2 * self.ratios[0]
        made = []
        for size, n in params.items():
            for ratio in self.ratios:
                level = 1 + round(math.log(n**2 * ratio / lowest) / math.log(LEVEL_STEP))
                if self.max_level is None or level <= self.max_level:
                    total = n + VOCAB_SIZE * self.sizes[size].hidden_size
                    made.append(
                        Cell(
                            size=size,
                            ratio=ratio,
                            params=n,
                            params_total=total,
                            tokens=max(1, round(ratio * n)),
                            level=level,
                        )
                    )
        return sorted(made, key=lambda c: (c.train_flops, c.params))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One base of a ladder."""

    size: str
    ratio: float
    params: int
    """N: without the embedding (which is tied to the output head)."""
    params_total: int
    tokens: int
    """D."""
    level: int
    """Isoline of training compute, 1 = lowest."""

    @property
    def name(self) -> str:
        """``200k-r20``."""
        return f"{self.size}-r{self.ratio:g}"

    @property
    def train_flops(self) -> float:
        """6ND."""
        return 6.0 * self.params * self.tokens


def non_embedding(recipe: RecipeConfig) -> int:
    """Weights outside the embedding and the output head: matrices of the layers, and norms."""
    attention = 4 * recipe.hidden_size * recipe.num_heads * recipe.head_dim
    mlp = 3 * recipe.hidden_size * recipe.intermediate_size
    return recipe.num_layers * (attention + mlp + 2 * recipe.hidden_size) + recipe.hidden_size


def load_ladder(
    name_or_file: str,
    *,
    max_level: int | None = None,
    seed: int | None = None,
    unique_tokens: int | None = None,
) -> LadderConfig:
    """A shipped ladder or the user's YAML; what is given here replaces what stands there.

    Raises:
        ConfigError: no such ladder, or fields that do not fit.
    """
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        shipped = sorted(p.stem for p in SHIPPED.glob("*.yaml"))
        path = SHIPPED / f"{name_or_file}.yaml"
        if not path.is_file():
            hint = suggest(name_or_file, shipped)
            raise ConfigError(
                f"{name_or_file}: no such ladder.{hint} Choices: {listed(shipped)}, or a YAML file"
            )
    if not path.is_file():
        raise ConfigError(f"{name_or_file}: no such file")
    content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    asked = {"max_level": max_level, "seed": seed, "unique_tokens": unique_tokens}
    try:
        return LadderConfig.model_validate(content | {k: v for k, v in asked.items() if v is not None})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'ladder'}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path.name}: {wrong}") from error
