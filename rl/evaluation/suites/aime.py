"""AIME: competition problems whose answers are whole numbers from 0 to 999."""

from typing import Any

from rl.evaluation.suites.base import maths_suite, need, problem
from rl.tasks.rows import Row


def _row(row: Row) -> dict[str, Any]:
    return problem(
        row,
        prompt=need(row, "problem", "question", "Question", "Problem"),
        answer=need(row, "answer", "Answer"),
        ids=("id", "ID"),
    )


SUITE = maths_suite(
    about="AIME problems, rows {problem, answer}",
    stems=("aime", "aime_2024", "aime_2025", "aime24", "aime25"),
    row=_row,
    train_stems=("aime_train", "aime_1983_2023"),
    max_tokens=8192,
)
