"""The section of a mixture: several tasks in one run, each a part with its own data, template and reward."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, ValidationError, field_validator, model_validator

from rl.config.base import Section
from rl.config.missing import MissingError
from rl.config.task import FileTaskConfig
from rl.config.task_own import OwnTaskConfig
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.config.thinking_tags import check_tags

PartTaskConfig = Annotated[
    FileTaskConfig | ReasoningGymTaskConfig | OwnTaskConfig, Field(discriminator="kind")
]
PART_NAME = re.compile(r"[A-Za-z0-9_][\w-]*")
SEPARATOR = "/"
"""Between a part's name and the part's own id or category of a prompt."""


class MixtureTaskConfig(Section):
    """Several tasks in one run. Prompts of part P have ids ``P/...``, and the category ``P``, or ``P/C``
    where the part itself has a category C; each is judged by its own part's reward."""

    kind: Literal["mixture"] = "mixture"
    """Several tasks."""
    name: str = "mixture"
    """The name in tables."""
    parts: dict[str, PartTaskConfig] = Field(default_factory=dict)
    """Name -> a task section of any other kind. ``task=[A,B]`` takes two presets; a list of sections in YAML
    takes their names."""
    weights: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Part -> its share of the train prompts drawn, relative to the others' (1 where absent). Empty = every
    prompt equally often, so that a part counts by its size. Held-out prompts are even over the parts."""
    allow_overlap: bool = False
    """Start although held-out prompts are in train, word for word; a part's own counts for
    the held-out prompts of that part."""
    thinking_tags: tuple[str, str] | None = None
    """As in a file task, for all parts; None = by the tokenizer."""

    @field_validator("thinking_tags")
    @classmethod
    def _tags_differ(cls, value: tuple[str, str] | None) -> tuple[str, str] | None:
        return check_tags(value)

    @model_validator(mode="before")
    @classmethod
    def _say_which_part_is_wrong(cls, values: Any) -> Any:
        """Errors of a part name its fields, ``task.parts.P.path`` instead of ``task.path``."""
        parts = values.get("parts") if isinstance(values, Mapping) else None
        for name, part in parts.items() if isinstance(parts, Mapping) else ():
            kind = KINDS.get(str(part.get("kind"))) if isinstance(part, Mapping) else None
            if kind is None:
                continue
            try:
                kind.model_validate(part)
            except ValidationError as error:
                for detail in error.errors():
                    if (cause := detail.get("ctx", {}).get("error")) is not None:
                        raise ValueError(in_part(str(name), str(cause))) from error
        return values

    @model_validator(mode="after")
    def _parts_fit(self) -> "MixtureTaskConfig":
        if not self.parts:
            raise MissingError(
                "task.parts", "no parts: set task.parts.NAME={kind: ...}, or name presets, task=[A,B]"
            )
        for name, part in self.parts.items():
            if not PART_NAME.fullmatch(name):
                raise ValueError(
                    f"task.parts: {name!r} is no name for a part; use letters, digits, '_' and '-'"
                )
            if part.thinking_tags not in (None, self.thinking_tags):
                raise ValueError(
                    f"task.parts.{name}.thinking_tags: one policy has one pair of tags; set"
                    " task.thinking_tags, for all parts"
                )
        unknown = sorted(set(self.weights) - set(self.parts))
        if unknown:
            raise ValueError(f"task.weights names {unknown}, but the parts are {sorted(self.parts)}")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """Weights of all parts; empty where none is set."""
        return {name: self.weights.get(name, 1.0) for name in self.parts} if self.weights else {}


KINDS: dict[str, type[FileTaskConfig | ReasoningGymTaskConfig | OwnTaskConfig]] = {
    "file": FileTaskConfig,
    "reasoning_gym": ReasoningGymTaskConfig,
    "own": OwnTaskConfig,
}
FIELDS = sorted({field for kind in KINDS.values() for field in kind.model_fields} | {"reward"})
_FIELD = re.compile(rf"\btask\.(?=(?:{'|'.join(FIELDS)})\b)")


def in_part(name: str, message: str) -> str:
    """A part's own message, with the fields where they stand in a mixture."""
    text = _FIELD.sub(f"task.parts.{name}.", message)
    return text if text != message else f"task.parts.{name}: {message}"


def parts_of(task: Any) -> dict[str, Any]:
    """Part -> section of a mixture; any other section alone, under the name ''."""
    return dict(task.parts) if isinstance(task, MixtureTaskConfig) else {"": task}


def part_of(task: Any, prompt_id: str) -> str:
    """The part that a prompt of this task is of; '' outside of mixtures."""
    return prompt_id.partition(SEPARATOR)[0] if isinstance(task, MixtureTaskConfig) else ""


def list_as_mixture(value: Any) -> Any:
    """A list of task sections as the mixture of them, by their names (their kinds, where they have none).

    Raises:
        ValueError: Two have the same name, or an entry is no section.
    """
    if not isinstance(value, list | tuple):
        return value
    parts: dict[str, Any] = {}
    for section in value:
        if not isinstance(section, Mapping):
            raise ValueError(f"a list of tasks holds sections {{kind: ...}}, not {section!r:.60}")
        name = str(section.get("name") or section.get("kind"))
        if name in parts:
            raise ValueError(f"two tasks of the list are named {name!r}; give one another name")
        parts[name] = dict(section)
    return {"kind": "mixture", "parts": parts}
