"""SVAMP (arXiv 2103.07191): short word problems of one or two steps, varied so that their structure must be
read."""

from typing import Any

from rl.evaluation.suites.base import maths_suite, maybe, need, problem
from rl.tasks.rows import Row


def _row(row: Row) -> dict[str, Any]:
    body = maybe(row, "Body", "body")
    question = need(row, "Question", "question", "question_concat")
    kind = maybe(row, "Type", "type")
    return problem(
        row,
        prompt=question if body is None else f"{str(body).rstrip().rstrip('.')}. {question}",
        answer=need(row, "Answer", "answer"),
        ids=("ID", "id"),
        **({} if kind is None else {"category": kind}),
    )


SUITE = maths_suite(
    about="SVAMP.json, rows {Body, Question, Answer, Type, ID}",
    stems=("svamp", "SVAMP", "svamp/test"),
    row=_row,
    train_stems=("svamp_train", "SVAMP_train", "svamp/train", "train"),
    max_tokens=256,
)
