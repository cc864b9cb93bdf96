"""AIME: competition problems whose answers are whole numbers from 0 to 999."""

from typing import Any

from rl.evaluation.suites.base import MATHS, MATHS_PLAIN, MATHS_STOP, Suite, need, problem, worked_maths
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
    stop=MATHS_STOP,
    worked=worked_maths,
    train_stems=("aime_train", "aime_1983_2023"),
    max_tokens=8192,
    votes=True,
)
