"""MultiArith (Roy and Roth, 2015): word problems of two steps."""

from typing import Any

from rl.evaluation.suites.base import maths_suite, need, problem
from rl.tasks.rows import Row


def _row(row: Row) -> dict[str, Any]:
    answer = need(row, "target", "final_ans", "answer", "lSolutions")
    return problem(
        row,
        prompt=str(need(row, "input", "question", "sQuestion")).strip(),
        answer=answer[0] if isinstance(answer, list) and len(answer) == 1 else answer,
        ids=("id", "iIndex"),
    )


SUITE = maths_suite(
    about="MultiArith, rows {input, target} or {question, final_ans}",
    stems=("multiarith", "MultiArith", "multiarith/test"),
    row=_row,
    train_stems=("multiarith_train", "multiarith/train", "train"),
    max_tokens=256,
)
