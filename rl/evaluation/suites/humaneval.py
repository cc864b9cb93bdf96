"""HumanEval (arXiv 2107.03374): functions from signature and docstring, judged by their tests in the
sandbox."""

from typing import Any

from rl.evaluation.suites.base import Suite, need, problem
from rl.tasks.rows import Row

CHAT = (
    "Complete this Python function. Answer with the whole function in one ```python block.\n\n"
    "```python\n{prompt}\n```"
)


def _row(row: Row) -> dict[str, Any]:
    prompt = need(row, "prompt")
    metadata = {
        "language": "python",
        "code_prompt": prompt,
        "entry_point": need(row, "entry_point"),
        "tests": need(row, "test"),
    }
    return problem(row, prompt=prompt, ids=("task_id",), metadata=metadata)


SUITE = Suite(
    about="HumanEval.jsonl, rows {task_id, prompt, entry_point, test}",
    stems=("humaneval", "HumanEval", "human-eval-v2-20210705", "openai_humaneval", "humaneval/test"),
    row=_row,
    reward="code",
    reward_args={"language": "python"},
    chat=CHAT,
    stop=("\ndef ", "\nclass ", "\nif __name__", "\nprint("),
    max_tokens=768,
)
