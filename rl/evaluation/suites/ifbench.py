"""IFBench (arXiv 2507.02833): IFEval's kind of instructions, of kinds that models were not trained on."""

from rl.evaluation.suites.base import Suite
from rl.evaluation.suites.ifeval import row_of

SUITE = Suite(
    about="IFBench_test.jsonl, rows {key, prompt, instruction_id_list, kwargs}",
    stems=("ifbench", "IFBench_test", "ifbench_input", "ifbench/IFBench_test"),
    row=row_of,
    reward="ifeval",
    reward_args={"mode": "loose"},
    max_tokens=1024,
)
