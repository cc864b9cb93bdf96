"""One row of a file as a checked record: columns found, types right, id known."""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from rewards.accepted import KEY
from rl.config.task import Columns
from rl.tasks.chats import Messages, read_messages
from rl.tasks.rows import MISSING, Row
from rl.tasks.values import is_absent, text_of, unix_newlines, without_nulls

_DEFAULTS = Columns()
_MESSAGES = re.compile(r"""\s*\[\s*\{\s*["'](?:role|content)["']\s*:""")
OPTIONAL = ("category", "difficulty", "id", "metadata", "demonstration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A row in our own words, before templates and tokens."""

    where: str
    id: str
    """As given, or a hash of the prompt."""
    prompt: str | Messages
    answer: str
    category: str
    difficulty: int
    metadata: dict[str, Any]


def parse_row(row: Row, columns: Columns) -> Record:
    """Check one row.

    Raises:
        ValueError: A column is missing or holds the wrong thing; the message names file, line, column and
            fix.
    """
    prompt = parse_prompt(_field(row, columns, "prompt"), row.where)
    answers = _answers(_field(row, columns, "answer"), row.where, columns.answer)
    given_id = _field(row, columns, "id")
    category = _field(row, columns, "category")
    return Record(
        where=row.where,
        id=prompt_hash(prompt) if given_id is None else text_of(given_id),
        prompt=prompt,
        answer=answers[0],
        category="default" if category is None else text_of(category),
        difficulty=_difficulty(_field(row, columns, "difficulty"), row.where, columns.difficulty),
        metadata=({KEY: answers} if len(answers) > 1 else {})
        | _metadata(_field(row, columns, "metadata"), row.where, columns.metadata)
        | _demonstration(_field(row, columns, "demonstration"), row.where, columns.demonstration),
    )


def prompt_hash(prompt: str | Messages) -> str:
    """Id of a prompt that brings none: 16 hex digits that depend on its content alone."""
    return hashlib.blake2b(json.dumps(prompt, sort_keys=True).encode(), digest_size=8).hexdigest()


def _field(row: Row, columns: Columns, role: str) -> Any:
    """The column that plays ``role``; None only where an optional column is absent under its default name, or
    holds null or NaN."""
    column = getattr(columns, role)
    value = row.get(column)
    if value is not MISSING:
        return None if role in OPTIONAL and is_absent(value) else value
    if role in OPTIONAL and column == getattr(_DEFAULTS, role):
        return None
    raise ValueError(
        f"{row.where}: no column {column!r} (columns: {row.columns}); set task.columns.{role} to the one that"
        f" holds the {role}"
    )


def parse_prompt(value: Any, where: str) -> str | Messages:
    """Text or chat messages, neither of them empty. A text that is a JSON list of messages is those messages:
    a table of text has no other way to hold them.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, str) and _MESSAGES.match(value):
        value = _messages_of(value, where)
    value = unix_newlines(value)
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list) and value:
        try:
            return read_messages(without_nulls(value))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    if value in (None, "", []) or isinstance(value, str):
        raise ValueError(f"{where}: the prompt is empty; fill it or remove the row")
    raise ValueError(
        f"{where}: the prompt is a {type(value).__name__}; it must be a string or a list of {{role, content}}"
        " messages"
    )


def _messages_of(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{where}: the prompt looks like a list of messages but is not JSON ({error.msg} at column"
            f" {error.colno}); write it with json.dumps"
        ) from error


def _answers(value: Any, where: str, column: str) -> list[str]:
    """The answer, or each of a list of accepted ones; nulls among them are absent."""
    if not isinstance(value, list):
        return [_answer(value, where, column)]
    present = [one for one in value if not is_absent(one)]
    return [_answer(one, where, column) for one in present or [None]]


def _answer(value: Any, where: str, column: str) -> str:
    if isinstance(value, dict | list):
        raise ValueError(
            f"{where}: {column!r} is a {type(value).__name__}; the answer must be a string or a number, or a"
            " list of them of which any is right"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(
            f"{where}: the answer is {value} ({column!r}); fill it or remove the row, since nothing could"
            " ever be right"
        )
    text = "" if value is None else unix_newlines(text_of(value))
    if not text.strip():
        raise ValueError(
            f"{where}: the answer is empty ({column!r}); fill it or remove the row, since nothing could ever"
            " be right"
        )
    return text


def _difficulty(value: Any, where: str, column: str) -> int:
    if value is None:
        return 0
    try:
        level = int(value)
        if isinstance(value, float) and level != value:
            raise ValueError("a fraction")
    except (TypeError, ValueError) as error:
        fix = "it must be an integer; map task.columns.difficulty to another column, or convert it"
        raise ValueError(f"{where}: {column!r} is {value!r}; {fix}") from error
    if level < 0:
        raise ValueError(f"{where}: {column!r} is {level}; levels count from 0 (unknown) or 1 (easiest)")
    return level


def _demonstration(value: Any, where: str, column: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, str) or not value.strip():
        raise ValueError(
            f"{where}: {column!r} is {value!r:.40}; a demonstration must be text, or null where there is none"
        )
    return {"demonstration": value}


def _metadata(value: Any, where: str, column: str) -> dict[str, Any]:
    """Return what is not null in a mapping; JSON text is what was written, nulls included."""
    if value is None:
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{where}: {column!r} is text but not JSON ({error.msg}); it must be a mapping"
            ) from error
    else:
        value = without_nulls(value)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{where}: {column!r} is a {type(value).__name__}; it must be a mapping")
    return value
