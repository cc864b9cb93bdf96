"""From rows to token ids, exactly as in reinforcement learning: the prompt's ids first, then the
completion's, then the end token.

TRL is given ids and never text, so it can neither add a token nor tokenise across the border of prompt and
completion, where a policy never samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rl.tasks.chats import Messages, read_messages
from rl.tasks.encoding import completion_ids, prompt_ids
from rl.tasks.records import Record, parse_prompt
from rl.tasks.rows import MISSING, Row
from rl.tasks.templates import PromptTemplate

IGNORED = -100
"""Label of a token without a loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One prompt with one or two completions (SFT: the shown one; DPO: chosen, rejected)."""

    where: str
    prompt_ids: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]
    """Token ids, the end token included."""

    @property
    def num_tokens(self) -> int:
        """Count the tokens of the prompt and its longest completion."""
        return len(self.prompt_ids) + max(map(len, self.completions))


def require_room(examples: Sequence[Example], *, max_tokens: int, field: str) -> None:
    """Refuse rows that are longer than the section allows.

    Raises:
        ValueError: Naming the first one's file and line, and ``field``.
    """
    for example in examples:
        if example.num_tokens > max_tokens:
            raise ValueError(
                f"{example.where}: {example.num_tokens} tokens with its prompt and the end token,"
                f" {field}={max_tokens}; raise it (as far as the model has positions), or shorten or remove"
                " the row"
            )


def encode_prompts(
    prompts: Sequence[tuple[str, Any]], template: PromptTemplate, tokenizer: Any
) -> list[tuple[int, ...]]:
    """Token ids of (where, string or messages), as ``rl.tasks.files`` makes them.

    Raises:
        ValueError: A prompt is empty or malformed, or the template refuses it; with file and line.
    """
    records = [_record(parse_prompt(value, where), where) for where, value in prompts]
    encoded = []
    for record in records:
        text = template.render(record)
        (ids,) = prompt_ids(tokenizer, [text], from_template=template.is_chat(record))
        if not ids:
            raise ValueError(
                f"{record.where}: the tokenizer makes no tokens of the prompt {text!r:.80}; fill it or remove"
                " the row"
            )
        encoded.append(ids)
    return encoded


def encode_examples(
    rows: Sequence[tuple[str, Any, tuple[str, ...]]], template: PromptTemplate, tokenizer: Any
) -> list[Example]:
    """Examples of (where, prompt, completions as text)."""
    prompt_ids = encode_prompts([(where, prompt) for where, prompt, _ in rows], template, tokenizer)
    width = len(rows[0][2]) if rows else 0
    columns = [completion_ids(tokenizer, [texts[i] for _, _, texts in rows]) for i in range(width)]
    return [
        Example(where=where, prompt_ids=prompt, completions=tuple(tuple(column[i]) for column in columns))
        for i, ((where, _, _), prompt) in enumerate(zip(rows, prompt_ids, strict=True))
    ]


def column(row: Row, name: str, *, field: str) -> Any:
    """The value of a column.

    Raises:
        ValueError: The row has none of this name; ``field`` is the setting that names it.
    """
    value = row.get(name)
    if value is MISSING:
        raise ValueError(
            f"{row.where}: no column {name!r} (columns: {row.columns}); set {field} to the one that holds it"
        )
    return value


def completion_text(value: Any, where: str, name: str) -> str:
    """The text of a completion: a string, or a list of one assistant message.

    Raises:
        ValueError: It is empty or something else.
    """
    if (
        isinstance(value, list)
        and len(value) == 1
        and isinstance(value[0], dict)
        and value[0].get("role") == "assistant"
    ):
        try:
            value = read_messages(value)[0]["content"]
        except ValueError as error:
            raise ValueError(f"{where}: {name!r}: {error}") from error
    if not isinstance(value, str):
        raise ValueError(
            f"{where}: {name!r} is {value!r:.40}; it must be a string or a list of one assistant message"
        )
    if not value.strip():
        raise ValueError(f"{where}: {name!r} is empty; fill it or remove the row")
    return value


def _record(prompt: str | Messages, where: str) -> Record:
    return Record(where=where, id="", prompt=prompt, answer="", category="", difficulty=0, metadata={})
