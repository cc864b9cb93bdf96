"""Examples of ``t2rl sft``: rows of a file, or a task's train prompts with their demonstrations."""

from typing import Any

from rl.config.stages import SftColumns, SftConfig, SftDataConfig
from rl.pretrain.worked_solutions import with_worked_solutions
from rl.stages.encode import IGNORED, Example, column, completion_text, encode_examples, require_room
from rl.tasks import build_task
from rl.tasks.encoding import completion_ids
from rl.tasks.rows import MISSING, Row, read_rows
from rl.tasks.templates import PromptTemplate

FIELD = "demonstration"
"""Key of a prompt's metadata, as in ``algorithm.demonstrations.field``."""

UNLIMITED = 1 << 30


def sft_examples(config: SftConfig, tokenizer: Any) -> list[Example]:
    """Everything that the stage trains on, checked.

    Raises:
        ValueError: In the user's words: which file, line or field, and what to do.
    """
    examples = (
        _from_rows(config.data, tokenizer) if config.data.path is not None else _from_task(config, tokenizer)
    )
    examples = examples[: config.data.limit]
    require_room(examples, max_tokens=config.data.max_tokens, field="data.max_tokens")
    return examples


def sft_columns(examples: list[Example]) -> dict[str, list[list[int]]]:
    """TRL's columns of ready token ids: ``input_ids``, and ``labels`` that leave the prompt out of the
    loss."""
    pairs = [(list(e.prompt_ids), list(e.completions[0])) for e in examples]
    return {"input_ids": [p + c for p, c in pairs], "labels": [[IGNORED] * len(p) + c for p, c in pairs]}


def _from_rows(data: SftDataConfig, tokenizer: Any) -> list[Example]:
    assert data.path is not None
    rows = [_split(row, data.columns) for row in read_rows(data.path)]
    return encode_examples(rows, PromptTemplate(data, tokenizer, section="data"), tokenizer)


def _split(row: Row, columns: SftColumns) -> tuple[str, Any, tuple[str, ...]]:
    """(where, prompt, (completion,)); of a whole chat the last message is the completion."""
    messages = row.get(columns.messages)
    if messages not in (None, MISSING) and row.get(columns.prompt) in (None, MISSING):
        if not isinstance(messages, list) or len(messages) < 2:
            raise ValueError(
                f"{row.where}: {columns.messages!r} must be a list of a question and an answer at least"
            )
        return row.where, messages[:-1], (completion_text(messages[-1:], row.where, columns.messages),)
    prompt = column(row, columns.prompt, field="data.columns.prompt (or data.columns.messages)")
    completion = column(row, columns.completion, field="data.columns.completion")
    return row.where, prompt, (completion_text(completion, row.where, columns.completion),)


def _from_task(config: SftConfig, tokenizer: Any) -> list[Example]:
    """The train prompts that have a demonstration, tokenised by the task itself."""
    assert config.task is not None
    # The task would name fields of the rollout section, which this stage has none of: lengths are checked
    # with the completions.
    task = build_task(config.task, tokenizer, max_model_len=UNLIMITED, max_tokens=1)
    prompts = with_worked_solutions(task.load("train"), config.task, FIELD)
    shown = [p for p in prompts if p.metadata.get(FIELD) is not None]
    if not shown:
        raise ValueError(
            f"task: none of its {len(prompts)} train prompts has a demonstration; set"
            " task.columns.demonstration to a column of worked solutions, or data.path=FILE with rows"
            " {prompt, completion}"
        )
    completions = completion_ids(tokenizer, [completion_text(p.metadata[FIELD], p.id, FIELD) for p in shown])
    return [
        Example(where=f"prompt {p.id}", prompt_ids=p.token_ids, completions=(tuple(ids),))
        for p, ids in zip(shown, completions, strict=True)
    ]
