"""Prompts from files: read, checked, split, templated and tokenised."""

import hashlib
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import chain, islice
from typing import Any, TypeVar

from rewards import REWARDS
from rewards.accepted import KEY
from rl.config.task import FileTaskConfig
from rl.config.thinking_tags import thinking_tags_of
from rl.tasks.base import Split, Tokenizer
from rl.tasks.encoding import prompt_ids
from rl.tasks.records import Record, parse_row
from rl.tasks.rows import MISSING, Row, read_rows
from rl.tasks.templates import PromptTemplate
from rollout.types import Prompt
from rollout.user_code import absolute_target, absolute_targets

SPLITS: tuple[Split, ...] = ("train", "dev", "test")
READ_SEVERAL = ("cosine_length", "exact", "experts", "f1", "math", "rubric")
"""Shipped rewards that compare with every one of ``metadata.answers``, or hand the prompt to one that may."""
SHOWN = 5
MOSTLY = 0.5
"""Share of a file's rows that must be usable where others are skipped."""
Made = TypeVar("Made")


class FileTask:
    """Prompts from JSONL or Parquet files or Hugging Face dataset directories. See ``FileTaskConfig`` for the
    knobs.

    Args:
        config: The validated section.
        tokenizer: A transformers tokenizer of the policy.
        max_prompt_tokens: A longer prompt is an error.
    """

    def __init__(self, config: FileTaskConfig, tokenizer: Tokenizer, *, max_prompt_tokens: int) -> None:
        self.name = config.name
        self.reward_name = absolute_target(config.reward)
        self.reward_args: dict[str, Any] = absolute_targets(config.reward_args)
        self.thinking_tags = thinking_tags_of(config, tokenizer)
        self._config = config
        self._tokenizer = tokenizer
        self._template = PromptTemplate(config, tokenizer)
        self._max_prompt_tokens = max_prompt_tokens
        self._skipping = config.on_error == "skip"
        self._skipped: list[str] = []
        self._loaded: dict[Split, list[Prompt]] = {}

    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        """The first ``limit`` prompts of a split, in file order; all of them if None.

        Raises:
            ValueError: Anything wrong with any file of the task, with file, line and fix; a split without
                rows; a prompt too long.
        """
        if self._skipping:
            return self._whole(split)[:limit]
        records = self._records[split][:limit]
        if not records and limit != 0:
            raise ValueError(self._no_rows(split))
        return self._prompts(split, records)

    @property
    def notes(self) -> list[str]:
        """Rows that were left out of what has been loaded (``task.on_error=skip``), for the user to read."""
        if not self._skipped:
            return []
        first = "".join(f"\n  {one}" for one in self._skipped[:SHOWN])
        return [f"{len(self._skipped)} rows are left out (task.on_error=skip), the first:{first}"]

    def _whole(self, split: Split) -> list[Prompt]:
        """All usable prompts of a split."""
        if split not in self._loaded:
            records = self._records[split]
            prompts = self._prompts(split, records)
            if not prompts:
                raise ValueError(self._no_rows(split))
            self._loaded[split] = prompts
        return self._loaded[split]

    def _prompts(self, split: Split, records: list[Record]) -> list[Prompt]:
        rendered = [(record, self._usable(self._shown, record)) for record in records]
        kept = [(record, text) for record, text in rendered if text is not None]
        token_ids: dict[int, tuple[int, ...]] = {}
        for is_chat in (False, True):
            chosen = [i for i, (record, _) in enumerate(kept) if self._template.is_chat(record) is is_chat]
            encoded = prompt_ids(self._tokenizer, [kept[i][1] for i in chosen], from_template=is_chat)
            token_ids |= dict(zip(chosen, encoded, strict=True))
        made = (
            self._usable(self._prompt, split, record, text, token_ids[i])
            for i, (record, text) in enumerate(kept)
        )
        return [prompt for prompt in made if prompt is not None]

    def problem_text(self, prompt: Prompt) -> str:
        """A prompt of this task as its row has it, without template and examples; of a chat the messages, one
        behind the other."""
        given = self._by_id[prompt.id].prompt
        return given if isinstance(given, str) else "\n".join(str(m["content"]) for m in given)

    def _shown(self, record: Record) -> str:
        return self._template.render(record, self._shots_of(record))

    def _shots_of(self, record: Record) -> list[Record]:
        """The first ``task.shots`` examples that are not the prompt itself, under whatever id."""
        wanted = self._config.shots
        if not wanted:
            return []
        kind = isinstance(record.prompt, str)
        others = (
            one
            for one in self._examples
            if isinstance(one.prompt, str) is kind and one.id != record.id and one.prompt != record.prompt
        )
        shots = list(islice(others, wanted))
        if len(shots) < wanted:
            raise ValueError(
                f"{record.where}: task.shots={wanted}, but train has {len(shots)} other rows of its kind;"
                " lower it"
            )
        return shots

    @cached_property
    def _examples(self) -> list[Record]:
        """The train split in the order of a hash of each id, so that other rows may come and go."""
        return sorted(
            self._records["train"],
            key=lambda record: hashlib.blake2b(f"shot {record.id}".encode(), digest_size=8).digest(),
        )

    @cached_property
    def _by_id(self) -> dict[str, Record]:
        return {self._row_id(split, record): record for split in SPLITS for record in self._records[split]}

    def _usable(self, make: Callable[..., Made], *args: Any) -> Made | None:
        """The outcome of ``make``; None of a row that it refuses where such rows are skipped."""
        try:
            return make(*args)
        except ValueError as error:
            if not self._skipping:
                raise
            self._skipped.append(str(error))
            return None

    def origin(self, prompt: Prompt) -> str:
        """File and line of a prompt of this task."""
        return self._origins[prompt.id]

    @cached_property
    def _origins(self) -> dict[str, str]:
        return {prompt_id: record.where for prompt_id, record in self._by_id.items()}

    def _row_id(self, split: Split, record: Record) -> str:
        return f"{self.name}/{split}/{record.id}"

    @cached_property
    def _records(self) -> dict[Split, list[Record]]:
        """Every row of every file, by split. All files are read at once, since ids must be unique across
        splits."""
        config = self._config
        if config.path:
            records = self._read(config.path)
            require_unique_ids(records)
            splits: dict[Split, list[Record]] = {split: [] for split in SPLITS}
            for record in records:
                splits[split_of(record.id, dev_share=config.dev_share, test_share=config.test_share)].append(
                    record
                )
            return splits
        paths: dict[Split, str | None] = {"train": config.train, "dev": config.dev, "test": config.test}
        separate: dict[Split, list[Record]] = {
            split: self._read(path) if path else [] for split, path in paths.items()
        }
        require_unique_ids(chain.from_iterable(separate.values()))
        return separate

    def _read(self, path: str) -> list[Record]:
        rows = read_rows(path)
        for role in ("prompt", "answer"):  # a column that no row has is no fault of a row
            column = getattr(self._config.columns, role)
            if self._skipping and all(row.get(column) is MISSING for row in rows):
                parse_row(rows[0], self._config.columns)
        records = [self._usable(self._record, row) for row in rows]
        kept = [record for record in records if record is not None]
        if len(kept) < MOSTLY * len(rows):
            raise ValueError(
                f"{path}: {len(rows) - len(kept)} of {len(rows)} rows cannot be used, so the settings do not"
                f" seem to fit; the first: {self._skipped[-1]}"
            )
        return kept

    def _record(self, row: Row) -> Record:
        record = parse_row(row, self._config.columns)
        reward, given = self._config.reward, row.get(self._config.columns.answer)
        one_only = reward in REWARDS and reward not in READ_SEVERAL
        if one_only and isinstance(given, list) and KEY in record.metadata:
            raise ValueError(
                f"{record.where}: {len(record.metadata[KEY])} answers, of which task.reward={reward} would"
                f" compare with the first alone; give one, or use {', '.join(READ_SEVERAL)}"
            )
        return record

    def _prompt(self, split: Split, record: Record, text: str, token_ids: tuple[int, ...]) -> Prompt:
        if len(token_ids) > self._max_prompt_tokens:
            fix = "raise rollout.max_model_len, lower rollout.max_tokens, or remove the row"
            room = f"{self._max_prompt_tokens} fit (rollout.max_model_len - rollout.max_tokens)"
            raise ValueError(
                f"{record.where}: the prompt is {len(token_ids)} tokens long, only {room}; {fix}"
            )
        if not token_ids:
            raise ValueError(
                f"{record.where}: the tokenizer makes no tokens of the prompt {text!r:.80}; fill it or remove"
                " the row"
            )
        return Prompt(
            id=self._row_id(split, record),
            text=text,
            token_ids=token_ids,
            answer=record.answer,
            category=record.category,
            difficulty=record.difficulty,
            metadata=record.metadata,
            thinking_tags=self.thinking_tags,
        )

    def _no_rows(self, split: Split) -> str:
        if self._config.path:
            fix = (
                f"raise task.{split}_share"
                if split != "train"
                else "lower task.dev_share and task.test_share"
            )
            return (
                f"{self._config.path}: no row falls into the {split} split; {fix}, or give the splits as"
                " separate files"
            )
        return (
            f"there is no {split} data; set task.{split}=FILE, or use task.path, which is carved into splits"
        )


def split_of(record_id: str, *, dev_share: float, test_share: float) -> Split:
    """The split of a row of one carved file: a hash of its id and nothing else, so other rows may come and
    go."""
    digest = hashlib.blake2b(record_id.encode(), digest_size=8).digest()
    position = int.from_bytes(digest) / 2**64
    if position < test_share:
        return "test"
    return "dev" if position < test_share + dev_share else "train"


def require_unique_ids(records: Iterable[Record]) -> None:
    """Raise ``ValueError`` naming both rows if two share an id, in one file or across splits."""
    first: dict[str, str] = {}
    for record in records:
        if record.id in first:
            fix = (
                "remove one (rows without an id column are the same if their prompts are), or give each its"
                " own id"
            )
            raise ValueError(
                f"{record.where}: duplicate id {record.id!r}, first at {first[record.id]}; {fix}"
            )
        first[record.id] = record.where
