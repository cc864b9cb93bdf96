"""A suite's file as a task: the file task, with rows put under its own column names first."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from rl.config.task import Columns, FileTaskConfig
from rl.evaluation.suites import load_suite
from rl.evaluation.suites.base import Suite
from rl.tasks.base import Tokenizer
from rl.tasks.files import FileTask
from rl.tasks.records import Record, parse_row
from rl.tasks.rows import READERS, Row, read_rows
from rollout.types import Prompt

PACKED = (".jsonl.gz", ".json.gz")


class SuiteTask(FileTask):
    """Prompts of one suite; all are of the test split.

    Args:
        name: of the suite, and first part of every prompt id.
        file: the published file.
        tokenizer: of the model that is asked.
        max_prompt_tokens: a longer prompt is an error.
        chat: through the tokenizer's chat template; None = where it has one.
    """

    def __init__(
        self, name: str, file: Path, tokenizer: Tokenizer, *, max_prompt_tokens: int, chat: bool | None = None
    ) -> None:
        self.suite: Suite = load_suite(name)
        through = bool(tokenizer.chat_template) if chat is None else chat
        config = FileTaskConfig(
            name=name,
            test=str(file),
            chat=through,
            prompt_template=self.suite.chat if through else self.suite.plain,
            reward=self.suite.reward,
            reward_args=dict(self.suite.reward_args),
        )
        self.through_chat = through
        super().__init__(config, tokenizer, max_prompt_tokens=max_prompt_tokens)

    def _read(self, path: str) -> list[Record]:
        return [parse_row(self._in_our_columns(row), Columns()) for row in read_rows(path)]

    def _in_our_columns(self, row: Row) -> Row:
        try:
            return Row(where=row.where, fields=self.suite.row(row))
        except ValueError as error:
            raise ValueError(f"{error}; {self.name} is read from {self.suite.about}") from error


def suite_file(name: str, directory: Path) -> Path:
    """The file of a suite in a data directory.

    Raises:
        ValueError: there is none; the message names the files that would do.
    """
    suite = load_suite(name)
    suffixes = [*READERS, *PACKED]
    tried = (directory / f"{stem}{suffix}" for stem in suite.stems for suffix in suffixes)
    found = next((path for path in tried if path.is_file()), None)
    if found is None:
        first, *others = suite.stems
        raise ValueError(
            f"suite {name}: no file in {directory}. Wanted: {suite.about}, named {first}.jsonl"
            f" (or {', '.join(others)}; also {', '.join(s for s in suffixes if s != '.jsonl')}). Or name the"
            f" file: --suite {name}=FILE"
        )
    return found


def chosen(prompts: Sequence[Prompt], count: int | None) -> list[Prompt]:
    """``count`` of the prompts, the same ones for every model: those whose ids hash lowest, in file order.
    Files are often sorted by kind, so that their beginning would stand for one kind."""
    if count is None or count >= len(prompts):
        return list(prompts)
    lowest = set(sorted(range(len(prompts)), key=lambda i: _hash(prompts[i].id))[:count])
    return [prompt for i, prompt in enumerate(prompts) if i in lowest]


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
