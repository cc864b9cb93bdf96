"""MATH-500: 500 problems of MATH (arXiv 2103.03874) that PRM800K (arXiv 2305.20050) held out."""

import re
from typing import Any

from rl.evaluation.suites.base import maths_suite, maybe, need, problem
from rl.tasks.rows import Row

_LEVEL = re.compile(r"\d+")


def _row(row: Row) -> dict[str, Any]:
    subject, level = maybe(row, "subject", "type"), maybe(row, "level")
    solution = maybe(row, "solution")
    digits = _LEVEL.search(str(level)) if level is not None else None
    return problem(
        row,
        prompt=need(row, "problem", "question"),
        answer=need(row, "answer", "solution"),
        ids=("unique_id", "id"),
        **({} if solution is None else {"demonstration": str(solution)}),
        **({} if subject is None else {"category": subject}),
        **({} if digits is None else {"difficulty": int(digits[0])}),
    )


SUITE = maths_suite(
    about="MATH-500, rows {problem, answer, subject, level, unique_id}",
    stems=("math500", "math_500", "MATH-500", "math500/test", "MATH-500/test"),
    row=_row,
    train_stems=("math_train", "MATH_train", "math/train", "train"),
    max_tokens=1024,
)
