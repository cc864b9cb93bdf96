"""A suite's file as a task: the file task, with rows put under its own column names first."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from rl.config.task import Columns, FileTaskConfig
from rl.evaluation.suites import load_suite
from rl.evaluation.suites.base import Suite
from rl.tasks.base import Split, Tokenizer
from rl.tasks.files import FileTask, require_unique_ids
from rl.tasks.overlap import normalised
from rl.tasks.records import Record, parse_row
from rl.tasks.rows import READERS, Row, read_rows
from rl.tasks.templates import PromptTemplate

PACKED = (".jsonl.gz", ".json.gz")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """Worked examples in front of a suite's problems."""

    count: int = 0
    file: Path | None = None
    """Where they come from, in the suite's own columns."""


class SuiteTask(FileTask):
    """Prompts of one suite; all are of the test split.

    Args:
        name: of the suite, and first part of every prompt id.
        file: the published file.
        tokenizer: of the model that is asked.
        max_prompt_tokens: a longer prompt is an error.
        chat: through the tokenizer's chat template; None = where it has one.
        limit: problems at most, a fixed choice (``chosen``); None = all.
        shots: worked examples, never of the problems that are asked.

    Raises:
        ValueError: the suite has no worked examples.
    """

    def __init__(
        self,
        name: str,
        file: Path,
        tokenizer: Tokenizer,
        *,
        max_prompt_tokens: int,
        chat: bool | None = None,
        limit: int | None = None,
        shots: Shots = Shots(),
    ) -> None:
        self.suite: Suite = load_suite(name)
        through = bool(tokenizer.chat_template) if chat is None else chat
        if shots.count and self.suite.worked is None:
            raise ValueError(f"shots: the rows of {name} have no worked answers; ask it without examples")
        config = FileTaskConfig(
            name=name,
            train=str(shots.file) if shots.count else None,
            test=str(file),
            chat=through,
            prompt_template=self.suite.chat if through else self.suite.plain,
            shots=shots.count,
            reward=self.suite.reward,
            reward_args=dict(self.suite.reward_args),
        )
        self.through_chat, self._limit = through, limit
        self.shots, self.stop = shots, () if through else self.suite.stop
        """``stop``: texts that end a completion, where nothing else is asked for."""
        super().__init__(config, tokenizer, max_prompt_tokens=max_prompt_tokens)
        if (worked := self.suite.worked) is not None:
            self._template = PromptTemplate(config, tokenizer, worked=lambda row: worked(row, through))

    @cached_property
    def _records(self) -> dict[Split, list[Record]]:
        """The problems that are asked, and rows for examples that none of them is."""
        assert self._config.test is not None
        rows = self._read(self._config.test)
        require_unique_ids(rows)
        asked = chosen(rows, self._limit, id_of=lambda record: self._row_id("test", record))
        taken = {normalised(str(record.prompt)) for record in asked}
        others = self._read(self._config.train) if self._config.train else []
        examples = [
            replace(record, id=f"example/{record.id}")  # both files may number their rows from 0
            for record in others
            if normalised(str(record.prompt)) not in taken
        ]
        return {"train": examples, "dev": [], "test": asked}

    def _read(self, path: str) -> list[Record]:
        return [parse_row(self._in_our_columns(row), Columns()) for row in read_rows(path)]

    def _in_our_columns(self, row: Row) -> Row:
        try:
            return Row(where=row.where, fields=self.suite.row(row))
        except ValueError as error:
            raise ValueError(f"{error}; {self.name} is read from {self.suite.about}") from error


def shots_of(name: str, count: int, *, file: Path | None, beside: Path) -> Shots:
    """``count`` worked examples for a suite.

    Args:
        name: of the suite.
        count: 0 = none.
        file: where they come from; None = the file of the train split in a data directory.
        beside: that directory.

    Raises:
        ValueError: there is no such file; the message names the ones that would do.
    """
    if not count:
        return Shots()
    stems = load_suite(name).train_stems
    found = file or next(_existing(stems, beside), None)
    if found is None or not found.is_file():
        wanted = str(file) if file is not None else f"none of {', '.join(stems) or 'them'} in {beside}"
        raise ValueError(
            f"suite {name}: no file for worked examples ({wanted}); name one with rows in the suite's own"
            f" columns: shots_file, or --shots-file {name}=FILE"
        )
    return Shots(count=count, file=found)


def _existing(stems: Sequence[str], directory: Path) -> Iterator[Path]:
    tried = (directory / f"{stem}{suffix}" for stem in stems for suffix in [*READERS, *PACKED])
    return (path for path in tried if path.is_file())


def suite_file(name: str, directory: Path) -> Path:
    """The file of a suite in a data directory.

    Raises:
        ValueError: there is none; the message names the files that would do.
    """
    suite = load_suite(name)
    suffixes = [*READERS, *PACKED]
    found = next(_existing(suite.stems, directory), None)
    if found is None:
        first, *others = suite.stems
        raise ValueError(
            f"suite {name}: no file in {directory}. Wanted: {suite.about}, named {first}.jsonl"
            f" (or {', '.join(others)}; also {', '.join(s for s in suffixes if s != '.jsonl')}). Or name the"
            f" file: --suite {name}=FILE"
        )
    return found


def chosen(rows: Sequence[T], count: int | None, *, id_of: Callable[[T], str]) -> list[T]:
    """``count`` of the problems, the same ones for every model: those whose ids hash lowest, in file order.
    Files are often sorted by kind, so that their beginning would stand for one kind."""
    if count is None or count >= len(rows):
        return list(rows)
    lowest = set(sorted(range(len(rows)), key=lambda i: _hash(id_of(rows[i])))[:count])
    return [row for i, row in enumerate(rows) if i in lowest]


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
