"""GSM8K (arXiv 2110.14168): grade-school word problems; references are solutions that end in ``#### N``."""

from typing import Any

from rl.evaluation.suites.base import maths_suite, maybe, need, problem
from rl.tasks.rows import Row


def _row(row: Row) -> dict[str, Any]:
    solution = maybe(row, "solution")  # of files whose answer is the number alone
    return problem(
        row,
        prompt=need(row, "question"),
        answer=need(row, "answer"),
        ids=("id",),
        **({} if solution is None else {"demonstration": str(solution)}),
    )


SUITE = maths_suite(
    about="GSM8K's test split, rows {question, answer} whose answer ends in '#### N' (or is N)",
    stems=("gsm8k_test", "gsm8k", "gsm8k/test", "gsm8k/main/test-00000-of-00001", "test"),
    row=_row,
    train_stems=("gsm8k_train", "gsm8k/train", "gsm8k/main/train-00000-of-00001", "train"),
    max_tokens=512,
)
