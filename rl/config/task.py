"""The file task section: prompts from files of many formats, or a Hugging Face dataset directory
(docs/data.md)."""

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, field_validator, model_validator

from rl.config.base import Section
from rl.config.missing import MissingError
from rl.config.thinking_tags import check_tags


class Columns(Section):
    """Which column holds what; ``a.b`` is the key b inside of column a. One that a row lacks is an error,
    except the optional ones under their default names."""

    prompt: str = "prompt"
    """The problem: a string, or chat messages [{role, content}, ...]."""
    answer: str = "answer"
    """Reference answer, in the form that the reward expects: text, a number, or a list of answers of which
    any is right (``exact``, ``math``, ``f1``, or a reward of yours that reads ``metadata.answers``)."""
    category: str = "category"
    """Optional; 'default' where absent."""
    difficulty: str = "difficulty"
    """Optional integer; 0 where absent."""
    id: str = "id"
    """Optional; a hash of the prompt where absent, so that it survives reordering."""
    metadata: str = "metadata"
    """Optional mapping (or JSON text of one) for the reward."""
    demonstration: str = "demonstration"
    """Optional worked solution, for ``algorithm=hpt`` and ``t2rl sft``; goes into the metadata under the same
    name."""


class FileTaskConfig(Section):
    """Rows of files. Give either one ``path``, carved into splits by a hash of the id, or ``train`` (and
    ``dev``, ``test``)."""

    kind: Literal["file"] = "file"
    """Rows of files."""
    name: str = "file"
    """First part of every prompt id, and the name in tables."""
    path: str | None = None
    """One file (.jsonl, .json, .csv, .tsv, .parquet; text may be .gz or .zst), a folder or pattern of them, a
    dataset directory, or a name on the Hugging Face hub with its split (``hf:NAME:SPLIT``,
    ``hf:NAME:CONFIG:SPLIT``), carved into train, dev and test by each row's id."""
    train: str | None = None
    """File or directory of the train split, instead of ``path``."""
    dev: str | None = None
    """File or directory of the dev split, beside ``train``."""
    test: str | None = None
    """File or directory of the test split, beside ``train``."""
    dev_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of ``path`` that becomes dev."""
    test_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of ``path`` that becomes test."""
    columns: Columns = Columns()
    """Names of the columns."""
    chat: bool = False
    """Send string prompts as user messages through the tokenizer's chat template. Rows that hold messages
    always go through it."""
    system_prompt: str | None = None
    """First message of every chat that has no system message of its own."""
    prompt_template: str = "{prompt}"
    """Wrapped around string prompts, and around the last user message of a chat, before the chat template;
    ``{prompt}`` stands for what it is wrapped around and ``{budget}`` for the length budget in tokens, which
    a length curriculum moves (held-out prompts name the last step's)."""
    shots: NonNegativeInt = 0
    """Worked examples in front of every prompt: rows of the train split, the same ones everywhere, never the
    prompt's own. The demonstration answers, else the answer."""
    shot_separator: str = "\n\n"
    """Between examples of a plain text; in a chat they are messages of the user and the assistant."""
    continue_final_message: bool = False
    """A chat that ends with a message of the assistant is continued there: the policy goes on in the same
    turn. Without it such a chat is an error."""
    thinking_tags: tuple[str, str] | None = None
    """Tags that open and close a thinking; rewards judge what follows it. None = the pair that the tokenizer
    has tokens for (docs/data.md), else ``<think>`` and ``</think>``."""
    reward: str = "math"
    """A name from ``rewards.REWARDS``, or your own: ``path/to/file.py:attr`` or ``pkg.module:attr``."""
    reward_args: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the reward."""
    on_error: Literal["error", "skip"] = "error"
    """A row that cannot be used (a null or empty prompt or answer, a wrong type, a prompt that does not fit):
    an error with file and row, or left out, counted and said."""
    allow_overlap: bool = False
    """Start although held-out prompts are in train, word for word."""
    on_bad_reference: Literal["drop", "error", "keep"] = "drop"
    """The fate of a row whose own answer the reward rejects, in every phrasing: left out of training, an
    error, or kept. If most rows are such, it is an error unless they are kept."""
    reference_check_s: NonNegativeFloat = 20.0
    """Wall seconds for that check, before training; then the rest is taken on trust, and that is said. 0 = no
    check."""

    @field_validator("thinking_tags")
    @classmethod
    def _tags_differ(cls, value: tuple[str, str] | None) -> tuple[str, str] | None:
        return check_tags(value)

    @model_validator(mode="after")
    def _sources_are_clear(self) -> "FileTaskConfig":
        separate = [name for name in ("train", "dev", "test") if getattr(self, name)]
        if not self.path and not separate:
            raise MissingError(
                "task.path",
                "no data: set task.path=FILE (carved into splits) or task.train=FILE (with task.dev and"
                " task.test)",
            )
        if self.path and separate:
            raise ValueError(
                f"task.path and task.{separate[0]} are both set; path is carved into splits, so set one or"
                " the other"
            )
        if self.dev_share + self.test_share >= 1:
            raise ValueError(
                "task.dev_share + task.test_share leave nothing to train on; their sum must be below 1"
            )
        if "{prompt}" not in self.prompt_template:
            raise ValueError("task.prompt_template must contain {prompt}, where the row's prompt goes")
        return self
