"""Examples of ``t2rl dpo``: rows of a file, or pairs that were sampled from the model and judged by the
task's reward."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl.config.stages import PairsConfig
from rl.records.storage import write_whole
from rl.stages.encode import Example, column, completion_text, encode_examples, require_room
from rl.tasks.rows import Row, read_rows
from rl.tasks.templates import PromptTemplate
from rollout.types import RolloutGroup


def examples_of_file(pairs: PairsConfig, tokenizer: Any) -> list[Example]:
    """Rows {prompt, chosen, rejected} as token ids, checked.

    Raises:
        ValueError: In the user's words: which file, line or field, and what to do.
    """
    assert pairs.path is not None
    rows = [_split(row, pairs) for row in read_rows(pairs.path)][: pairs.limit]
    examples = encode_examples(rows, PromptTemplate(pairs, tokenizer, section="pairs"), tokenizer)
    require_room(examples, max_tokens=pairs.max_tokens, field="pairs.max_tokens")
    return examples


def dpo_columns(examples: Sequence[Example]) -> dict[str, list[list[int]]]:
    """The columns that TRL's preference collator reads."""
    return {
        "prompt_ids": [list(e.prompt_ids) for e in examples],
        "chosen_ids": [list(e.completions[0]) for e in examples],
        "rejected_ids": [list(e.completions[1]) for e in examples],
    }


def pairs_of(groups: Sequence[RolloutGroup], *, per_prompt: int) -> list[dict[str, Any]]:
    """Right against wrong completions of one prompt, in the order sampled; a completion is in one pair at
    most.

    Completions of equal token ids count once, and cut-off ones are left out: they end in no end token, so
    that the loss would teach where the limit was. A group without both kinds gives nothing.
    """
    rows = []
    for group in groups:
        whole = {
            tuple(r.completion.token_ids.tolist()): r for r in group.rollouts if not r.completion.truncated
        }
        right = [(ids, r.text) for ids, r in whole.items() if r.result.correct]
        wrong = [(ids, r.text) for ids, r in whole.items() if not r.result.correct]
        for (chosen_ids, chosen), (rejected_ids, rejected) in list(zip(right, wrong, strict=False))[
            :per_prompt
        ]:
            rows.append(
                {
                    "prompt_id": group.prompt.id,
                    "prompt": group.prompt.text,
                    "chosen": chosen,
                    "rejected": rejected,
                    "prompt_ids": list(group.prompt.token_ids),
                    "chosen_ids": list(chosen_ids),
                    "rejected_ids": list(rejected_ids),
                }
            )
    return rows


def write_pairs(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Keep sampled pairs: whole or not at all, so that a resumed run trains on the ones it began with."""
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def read_pairs(path: Path) -> list[Example]:
    """The pairs that :func:`write_pairs` kept; ids as they were sampled, nothing is tokenised again."""
    rows = read_rows(str(path))
    return [
        Example(
            where=row.where,
            prompt_ids=tuple(row.fields["prompt_ids"]),
            completions=(tuple(row.fields["chosen_ids"]), tuple(row.fields["rejected_ids"])),
        )
        for row in rows
    ]


def _split(row: Row, pairs: PairsConfig) -> tuple[str, Any, tuple[str, ...]]:
    """(where, prompt, (chosen, rejected))."""
    names = pairs.columns
    prompt = column(row, names.prompt, field="pairs.columns.prompt")
    chosen = completion_text(column(row, names.chosen, field="pairs.columns.chosen"), row.where, names.chosen)
    rejected = completion_text(
        column(row, names.rejected, field="pairs.columns.rejected"), row.where, names.rejected
    )
    if chosen == rejected:
        raise ValueError(
            f"{row.where}: {names.chosen!r} and {names.rejected!r} are the same text; a pair needs two, so"
            " remove the row"
        )
    return row.where, prompt, (chosen, rejected)
