"""A named suite: a published set of problems as users have its file, with prompt, reward and limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rl.tasks.records import Record
from rl.tasks.rows import MISSING, Row
from rl.tasks.values import is_absent

RowOf = Callable[[Row], dict[str, Any]]
"""A row of the published file -> a row under the file task's own column names (``rl.config.task.Columns``).
ValueError names file, line and what is missing."""

MATHS = "{prompt}\n\nWork it out step by step. Write the final answer in \\boxed{}."
"""Prompt of the maths suites for a model with a chat template."""
MATHS_PLAIN = "Question: {prompt}\nAnswer:"
"""Prompt of the maths suites for a model without one."""
MATHS_STOP = ("\nQuestion:",)
"""Ends of a plain completion: base models go on with a question of their own."""
Worked = Callable[[Record, bool], str]
"""(row, asked through a chat template) -> how a worked example answers; in a plain text with the space that
stands before it."""


def worked_maths(record: Record, chat: bool) -> str:
    """The row's solution, or its answer alone; in a chat with the box that the wording asks for."""
    given = record.metadata.get("demonstration")
    if not chat:
        return f" {str(given or record.answer).strip()}"
    if given is not None and "\\boxed" in given:
        return str(given).strip()
    work, _, final = record.answer.rpartition("####")
    return f"{str(given or work).strip()}\n\\boxed{{{final.strip()}}}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One file and one line in ``rl.evaluation.suites.SUITES``."""

    about: str
    """The file in words, for whoever does not have it: which published file, with which columns."""
    stems: tuple[str, ...]
    """Names that the file may have in the data directory, without suffix; the first that is there is read."""
    row: RowOf
    reward: str
    """A name of ``rewards.REWARDS``."""
    reward_args: Mapping[str, Any] = field(default_factory=dict)
    chat: str = "{prompt}"
    """``task.prompt_template`` where the model has a chat template."""
    plain: str = "{prompt}"
    """``task.prompt_template`` where it has none."""
    max_tokens: int = 1024
    """Completion tokens at most."""
    stop: tuple[str, ...] = ()
    """Texts that end a completion of a model without a chat template."""
    worked: Worked | None = None
    """Answers of worked examples; None = the suite's rows have none."""
    train_stems: tuple[str, ...] = ()
    """Names that the file of its train split may have, beside the suite's own: examples come from there."""
    votes: bool = False
    """Completions have a short final answer, so that a majority vote means something."""


def maths_suite(
    *, about: str, stems: tuple[str, ...], train_stems: tuple[str, ...], row: RowOf, max_tokens: int
) -> Suite:
    """Problems whose answer is one number or formula, with the wording and the reward that all of them
    share; arguments as in ``Suite``."""
    return Suite(
        about=about,
        stems=stems,
        row=row,
        reward="math",
        chat=MATHS,
        plain=MATHS_PLAIN,
        stop=MATHS_STOP,
        worked=worked_maths,
        train_stems=train_stems,
        max_tokens=max_tokens,
        votes=True,
    )


def need(row: Row, *names: str) -> Any:
    """The first of these columns that the row has and that is not null.

    Raises:
        ValueError: it has none of them.
    """
    for name in names:
        value = row.get(name)
        if value is not MISSING and not is_absent(value):
            return value
    raise ValueError(f"{row.where}: no column {' or '.join(names)} (columns: {row.columns})")


def maybe(row: Row, *names: str) -> Any:
    """The same, or None."""
    found = (row.get(name) for name in names)
    return next((value for value in found if value is not MISSING and not is_absent(value)), None)


def problem(
    row: Row, *, prompt: Any, answer: Any = "-", ids: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    """A row of the file task; without an id in the file the prompt's hash is its id.

    Args:
        row: of the file.
        prompt: the problem's text.
        answer: the reference; '-' where the tests are all that judges.
        ids: columns that may hold an id.
        more: ``category``, ``difficulty``, ``metadata``, ``demonstration``.
    """
    found = maybe(row, *ids)
    named = {} if found is None else {"id": found}
    return {"prompt": prompt, "answer": answer, **named, **more}
