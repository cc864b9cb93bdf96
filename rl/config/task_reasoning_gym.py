"""The reasoning-gym task section."""

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from rl.config.base import Section
from rl.config.thinking_tags import check_tags


class ReasoningGymTaskConfig(Section):
    """Procedural problems of reasoning-gym, one cell per (category, level)."""

    kind: Literal["reasoning_gym"] = "reasoning_gym"
    """Problems that reasoning-gym generates."""
    style: Literal["compact", "question"] = "compact"
    """``compact``: a few characters per problem, for our tiny bases. ``question``: the library's English, for
    real models."""
    categories: tuple[str, ...] = Field(
        default=("chain_sum", "count_bits", "gcd", "number_sorting", "spell_backward"), min_length=1
    )
    """reasoning-gym dataset names. ``compact`` knows those of ``rl.tasks.rg_cells``; ``question`` takes any,
    see ``level_args``."""
    levels: tuple[PositiveInt, ...] = Field(default=(1, 2, 3, 4), min_length=1)
    """Difficulty levels, 1-based: level n uses the n-th generator configuration of its category."""
    level_args: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict)
    """Generator configurations per category, easiest first; overrides the built-in ones (needed for
    categories without any)."""
    category_of: Literal["dataset", "cell"] = "dataset"
    """The category of a prompt: the dataset (``gcd``), or the dataset and the level (``gcd/L3``), which gives
    category samplers such as ``curriculum=sec`` an arm for every level."""
    weights: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Relative number of train prompts per category; 1 where absent. Dev and test are always even."""
    seed: NonNegativeInt = 0
    """With the index, fixes every problem. Which split a text belongs to does not depend on it."""
    train_prompts: PositiveInt = 12_000
    """Size of the train pool; small cells that run out of distinct problems leave their share to the
    others."""
    eval_prompts: PositiveInt = 400
    """Size of the dev and of the test set when no limit is asked for."""
    extraction: Literal["hash", "answer_tags", "last_number"] = "hash"
    """Where the answer is: after the last ``#``, in the last ``<answer>`` pair, or the last number of the
    text."""
    question_template: str | None = None
    """Wording of a question instead of the library's (``question`` style): ``{expression}`` and the like
    stand for what the item's metadata holds. It must hold all that the answer depends on."""
    instruction: str = ""
    """Appended to the question (``question`` style), e.g. how to give the answer."""
    thinking_tags: tuple[str, str] | None = None
    """As in a file task: what opens and closes a thinking; None = by the tokenizer."""

    @field_validator("thinking_tags")
    @classmethod
    def _tags_differ(cls, value: tuple[str, str] | None) -> tuple[str, str] | None:
        return check_tags(value)
