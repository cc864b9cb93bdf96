"""AIME: competition problems whose answers are whole numbers from 0 to 999."""

from typing import Any

from rl.evaluation.suites.base import MATHS, MATHS_PLAIN, Suite, need, problem
from rl.tasks.rows import Row


def _row(row: Row) -> dict[str, Any]:
    return problem(
        row,
        prompt=need(row, "problem", "question", "Question", "Problem"),
        answer=need(row, "answer", "Answer"),
        ids=("id", "ID"),
    )


SUITE = Suite(
    about="AIME problems, rows {problem, answer}",
    stems=("aime", "aime_2024", "aime_2025", "aime24", "aime25"),
    row=_row,
    reward="math",
    chat=MATHS,
    plain=MATHS_PLAIN,
    max_tokens=8192,
    votes=True,
)
