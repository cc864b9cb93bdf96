"""GSM8K (arXiv 2110.14168): grade-school word problems; references are solutions that end in ``#### N``."""

from typing import Any

from rl.evaluation.suites.base import MATHS, MATHS_PLAIN, Suite, need, problem
from rl.tasks.rows import Row


def _row(row: Row) -> dict[str, Any]:
    return problem(row, prompt=need(row, "question"), answer=need(row, "answer"), ids=("id",))


SUITE = Suite(
    about="GSM8K's test split, rows {question, answer} whose answer ends in '#### N'",
    stems=("gsm8k_test", "gsm8k", "gsm8k/test", "gsm8k/main/test-00000-of-00001", "test"),
    row=_row,
    reward="math",
    chat=MATHS,
    plain=MATHS_PLAIN,
    max_tokens=512,
    votes=True,
)
