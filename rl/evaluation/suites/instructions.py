"""Short requests with one constraint each, in IFEval's form: packaged, to see what a training forgets."""

from rl.evaluation.suites.base import Suite
from rl.evaluation.suites.ifeval import row_of

SUITE = Suite(
    about="the packaged instructions, in the columns of IFEval's input_data.jsonl",
    stems=("instructions",),
    row=row_of,
    reward="ifeval",
    max_tokens=256,
)
