"""IFEval (arXiv 2311.07911): instructions that a program can check, such as "at least 300 words, no
commas"."""

from typing import Any

from rl.evaluation.suites.base import Suite, need, problem
from rl.tasks.rows import Row


def row_of(row: Row) -> dict[str, Any]:
    """IFEval's columns, which IFBench has too; the first instruction's family is the category."""
    names = list(need(row, "instruction_id_list"))
    return problem(
        row,
        prompt=need(row, "prompt"),
        ids=("key",),
        category=str(names[0]).partition(":")[0] if len(names) == 1 else "several",
        metadata={"instruction_id_list": names, "kwargs": need(row, "kwargs")},
    )


SUITE = Suite(
    about="IFEval's input_data.jsonl, rows {key, prompt, instruction_id_list, kwargs}",
    stems=("ifeval", "ifeval_input", "input_data", "ifeval/input_data", "ifeval/ifeval_input"),
    row=row_of,
    reward="ifeval",
    max_tokens=1024,
)
