"""The model section: a base of our own recipe, a directory / hub name, or a file of a Python package."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from rl.config.base import Section
from rl.config.names import require_path_name


class CorpusConfig(Section):
    """The mixed-quality worked solutions a base is pretrained on. Problems come from the train split only."""

    categories: dict[str, PositiveFloat] = Field(
        default={
            "chain_sum": 2.0,
            "count_bits": 1.0,
            "gcd": 1.5,
            "number_sorting": 0.7,
            "spell_backward": 0.8,
        },
        min_length=1,
    )
    """Compact reasoning-gym categories and their share of the documents, up to a common factor."""
    level_weights: tuple[NonNegativeFloat, ...] = Field(default=(0.3, 0.3, 0.25, 0.15), min_length=1)
    """Share of level 1, 2, ... among the documents; 0 leaves a level out."""
    level_args: dict[str, tuple[dict[str, Any], ...]] = Field(
        default_factory=dict, exclude_if=lambda levels: not levels
    )
    """As the task's: generator arguments of each category's levels instead of the built-in ones."""
    direct_share: float = Field(default=0.55, ge=0, le=1)
    """Documents that state the answer without working it out. Above a half, greedy decoding does the same,
    often wrongly."""
    sloppy_share: float = Field(default=0.1, ge=0, le=1)
    """Documents whose steps go wrong with probability ``step_error`` each, mistakes carried on; the rest is
    clean."""
    step_error: float = Field(default=0.15, ge=0, le=1)
    """Error rate of each step of a sloppy document."""
    seed: NonNegativeInt = 1
    """Seed of the documents."""

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.direct_share + self.sloppy_share > 1:
            raise ValueError(
                "model.recipe.corpus: direct_share + sloppy_share must not exceed 1; lower one of them"
            )
        if sum(self.level_weights) <= 0:
            raise ValueError("model.recipe.corpus.level_weights: at least one weight must be positive")
        return self


class RecipeConfig(Section):
    """Everything that decides the weights of a tiny base; its hash is the cache key."""

    name: Annotated[str, AfterValidator(require_path_name)] = "tiny"
    """Prefix of the cache directory."""
    hidden_size: PositiveInt = 64
    """Width of the residual stream."""
    num_layers: PositiveInt = 3
    """Transformer blocks."""
    num_heads: PositiveInt = 4
    """Must divide ``hidden_size``. Four learn arithmetic several times faster than two of the same total
    width."""
    head_dim: PositiveInt = 32
    """Even, for rotary positions; ``num_heads * head_dim`` need not be ``hidden_size``. vLLM on CPU takes 32
    and larger ones."""
    intermediate_size: PositiveInt = 176
    """Width of the MLP."""
    max_positions: PositiveInt = 256
    """Longest sequence, in tokens."""
    rope_theta: PositiveFloat = 10_000.0
    """Base of the rotary positions."""
    tied: bool = True
    """Output head shares the embedding matrix."""
    tokens: PositiveInt = 3_000_000
    """Corpus size, prompts included, seen once."""
    batch_tokens: PositiveInt = 1024
    """Padded tokens of one optimizer step."""
    lr: PositiveFloat = 0.02
    """AdamW: embeddings, output head and norms."""
    muon_lr: PositiveFloat = 0.02
    """Muon: every other matrix."""
    muon_weight_decay: NonNegativeFloat = 0.1
    """Decoupled, of the matrices that Muon trains."""
    warmup_steps: NonNegativeInt = 20
    """Optimizer steps of linear rise."""
    decay_share: float = Field(default=0.6, gt=0, le=1)
    """Last share of the steps over which the learning rates fall linearly to ``min_lr_ratio``."""
    min_lr_ratio: float = Field(default=0.02, ge=0, le=1)
    """Where the fall ends, as a share of the peak."""
    grad_clip: PositiveFloat = 1.0
    """Global norm."""
    corpus: CorpusConfig = CorpusConfig()
    """Documents that it is pretrained on."""
    seed: NonNegativeInt = 0
    """Initial weights and order of the batches."""
    num_threads: PositiveInt = 1
    """Torch threads; part of the identity, since it changes the order of float sums."""

    @model_validator(mode="after")
    def _heads(self) -> Self:
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"model.recipe.num_heads: {self.num_heads} must divide hidden_size {self.hidden_size}; try 4"
            )
        if self.head_dim % 2:
            raise ValueError(f"model.recipe.head_dim: {self.head_dim} must be even; try 32")
        return self


class RecipeModelConfig(Section):
    """A base built by ``rl.pretrain`` on first use, then cached."""

    kind: Literal["recipe"] = "recipe"
    """A tiny base of our own."""
    recipe: RecipeConfig = RecipeConfig()
    """Sizes, corpus and training of the base."""


class PathModelConfig(Section):
    """A transformers directory, or a name on the Hugging Face hub."""

    kind: Literal["path"] = "path"
    """A model that exists."""
    path: str
    """Directory of a transformers model (config.json, weights and tokenizer), or its name on the hub."""
    revision: str | None = None
    """Branch, tag or commit of a hub name."""
    trust_remote_code: bool = False
    """Run the Python files that the model brings along, in learner and engines; read them first."""


class PackagedModelConfig(Section):
    """A model that a Python package brings along as a GGUF file; converted by ``rl.pretrain`` on first use,
    then cached."""

    kind: Literal["package"] = "package"
    """A model inside of a Python package."""
    package: str = Field(pattern=r"^\w+$")
    """Name that the package is imported by; it is looked for, never imported."""
    file: str = Field(pattern=r"\.gguf$")
    """GGUF file in the package's directory. Quantised weights are expanded to float32."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Checksum of that file; another content is an error."""
    install: str
    """Requirement for pip that brings the package, for the message where it is missing."""


ModelConfig = Annotated[
    RecipeModelConfig | PathModelConfig | PackagedModelConfig, Field(discriminator="kind")
]


def trusts_code(model: RecipeModelConfig | PathModelConfig | PackagedModelConfig) -> bool:
    """True if the base's own code may run (``model.trust_remote_code``)."""
    return model.kind == "path" and model.trust_remote_code
