"""MBPP (arXiv 2108.07732): functions from one sentence and their assertions, judged in the sandbox."""

from typing import Any

from rl.evaluation.suites.base import Suite, maybe, need, problem
from rl.tasks.records import Record
from rl.tasks.rows import Row

CHAT = "{prompt}\n\nAnswer with the Python code in one ```python block."
PLAIN = '"""\n{prompt}\n"""\n'


def _row(row: Row) -> dict[str, Any]:
    tests = list(need(row, "test_list"))
    setup = maybe(row, "test_setup_code") or "\n".join(maybe(row, "test_imports") or ())
    text = str(need(row, "text", "prompt")).strip()
    metadata = {"language": "python", "tests": tests, "test_setup_code": setup}
    shown = "\n".join(tests)
    code = maybe(row, "code")
    return problem(
        row,
        prompt=f"{text}\nThe code must pass these tests:\n{shown}",
        ids=("task_id",),
        metadata={key: value for key, value in metadata.items() if value},
        **({} if code is None else {"demonstration": str(code).replace("\r\n", "\n").strip()}),
    )


def _worked(record: Record, chat: bool) -> str:
    code = record.metadata.get("demonstration")
    if code is None:
        raise ValueError(f"{record.where}: no column code, which a worked example shows")
    return f"```python\n{code}\n```" if chat else f"{code}\n"


SUITE = Suite(
    about="mbpp.jsonl or sanitized-mbpp.json, rows {task_id, text or prompt, test_list}",
    stems=("mbpp_test", "mbpp", "sanitized-mbpp", "mbpp/test", "mbpp/full/test-00000-of-00001"),
    row=_row,
    reward="code",
    reward_args={"language": "python"},
    chat=CHAT,
    plain=PLAIN,
    stop=('\n"""', "\nassert", "\nclass ", "\nif __name__"),
    worked=_worked,
    train_stems=("mbpp_train", "mbpp_prompt", "mbpp/train", "mbpp/prompt"),
    max_tokens=512,
)
