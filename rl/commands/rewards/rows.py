"""Rows ``{completion, ...}`` of a JSON Lines file, checked line by line, and cut into groups for the verifier
pool."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.config.thinking_tags import DEFAULT
from rl.tasks.values import is_absent, text_of, without_nulls
from rollout.json_lines import text_lines
from rollout.types import Prompt

OWN_FIELDS = ("completion", "answer", "prompt", "id", "truncated", "thinking_tags")
"""All others are facts for the reward, ``Prompt.metadata``."""
MAX_GROUP = 16
"""Rows of one prompt that go to one verifier process in one message."""


@dataclass(frozen=True, slots=True)
class Row:
    """One completion to judge."""

    prompt: Prompt
    text: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class Group:
    """G consecutive rows of one prompt."""

    prompt: Prompt
    texts: list[str]
    truncated: list[bool]


def read_rows(
    path: Path, *, required: Sequence[str] = (), check: Callable[[Prompt], None] = lambda prompt: None
) -> Iterator[Row]:
    """The rows of a file, lazily; blank lines are none.

    Raises:
        ValueError: naming file, line and field: not JSON, a field missing or of the wrong type, or one that
            ``check`` refuses.
    """
    for number, line in text_lines(path):
        try:
            row = _row(_fields(line), number, required)
            check(row.prompt)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error
        yield row


def _fields(line: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a JSON row ({error.msg})") from error
    if not isinstance(fields, dict):
        raise ValueError(f"a row is an object {{completion, ...}}, not {type(fields).__name__}")
    return fields


def _row(fields: Mapping[str, Any], number: int, required: Sequence[str]) -> Row:
    prompt = prompt_of(fields, number, ("completion", *required))
    truncated = fields.get("truncated")
    truncated = False if truncated is None else truncated
    if not isinstance(truncated, bool):
        raise ValueError(f"truncated: true or false is needed, not {truncated!r}")
    return Row(prompt, _text(fields, "completion", ""), truncated)


def prompt_of(fields: Mapping[str, Any], number: int, required: Sequence[str]) -> Prompt:
    """The prompt of a row, whose id is its number unless it has one. Fields that hold null are missing.

    Raises:
        ValueError: A required field is missing, or one is of the wrong type.
    """
    fields = {name: without_nulls(value) for name, value in fields.items() if not is_absent(value)}
    for name in required:
        if name not in fields:
            raise ValueError(f"{name}: is missing")
    return Prompt(
        id=_text(fields, "id", str(number), numbers=True),
        text=_text(fields, "prompt", ""),
        token_ids=(),
        answer=_text(fields, "answer", "", numbers=True),
        category=_text(fields, "category", "default"),
        metadata={name: value for name, value in fields.items() if name not in OWN_FIELDS},
        thinking_tags=_tags(fields),
    )


def _tags(fields: Mapping[str, Any]) -> tuple[str, str]:
    match fields.get("thinking_tags"):
        case None:
            return DEFAULT
        case [str(opening), str(closing)] if opening and closing:
            return opening, closing
        case given:
            raise ValueError(
                f"thinking_tags: two texts are needed, such as {list(DEFAULT)}, not {given!r:.60}"
            )


def _text(fields: Mapping[str, Any], name: str, default: str, *, numbers: bool = False) -> str:
    value = fields.get(name, default)
    if numbers and isinstance(value, int | float) and not isinstance(value, bool):
        return text_of(value)
    if not isinstance(value, str):
        raise ValueError(f"{name}: a string is needed, not {type(value).__name__}")
    return value


def groups_of(rows: Iterable[Row]) -> Iterator[Group]:
    """Neighbours that ask the same go together, at most ``MAX_GROUP``; what differs in id only is the same
    question."""
    group: Group | None = None
    for row in rows:
        if (
            group is not None
            and len(group.texts) < MAX_GROUP
            and _question(row.prompt) == _question(group.prompt)
        ):
            group.texts.append(row.text)
            group.truncated.append(row.truncated)
            continue
        if group is not None:
            yield group
        group = Group(row.prompt, [row.text], [row.truncated])
    if group is not None:
        yield group


def _question(prompt: Prompt) -> tuple[object, ...]:
    return prompt.text, prompt.answer, prompt.metadata, prompt.thinking_tags
