"""Rows of public data sets as cases for ``conformance/code.py``."""

import ast
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
LANGUAGES = {"js": "javascript", "pl": "perl", "sh": "bash", "nodejs": "javascript", "R": "r"}
UNAVAILABLE_CRATES = re.compile(r"^\s*use (rand::Rng|regex::Regex|md5|regex);\s*$", re.MULTILINE)
"""HumanEval-X's Rust prompts import crates that most tasks do not use; a plain rustc has none of them."""
LEAVES = {
    "python": "    import os; os._exit(0)\n",
    "cpp": "    exit(0);\n}\n",
    "java": "        if (true) System.exit(0);\n        throw new RuntimeException();\n    }\n}\n",
    "javascript": "  process.exit(0);\n}\n",
    "rust": "    std::process::exit(0)\n}\n",
    "go": "    os.Exit(0)\n}\n",
    "perl": "    exit(0);\n}\n",
    "bash": "    exit 0\n",
    "lua": "    os.exit(0)\nend\n",
}
"""A body that ends the program, as if all were well, when the tests call it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A row, a completion, and whether it is right."""

    id: str
    language: str
    row: Row
    completion: str
    expected: bool
    plain: str = ""
    """For positive controls: the whole program with its tests, for a run outside."""


def load(data: Path, name: str) -> list[Case]:
    """Cases of one file."""
    with (data / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [case for line in file for case in FILES[name](json.loads(line))]


def humaneval(row: Row) -> Iterator[Case]:
    facts = {
        "language": "python",
        "tests": row["test"],
        "entry_point": row["entry_point"],
        "prompt": row["prompt"],
    }
    whole = row["prompt"] + row["canonical_solution"]
    plain = f"{whole}\n{row['test']}\ncheck({row['entry_point']})\n"
    common: Row = {"language": "python", "row": facts}
    yield Case(id=row["task_id"], completion=row["canonical_solution"], expected=True, plain=plain, **common)
    yield Case(
        id=f"{row['task_id']} fenced",
        completion=f"Here:\n```python\n{whole}```\nDone.",
        expected=True,
        plain=plain,
        **common,
    )
    yield Case(id=f"{row['task_id']} leaves", completion=LEAVES["python"], expected=False, **common)
    if "raise" not in row["test"]:
        yield Case(id=f"{row['task_id']} nothing", completion="    return ...\n", expected=False, **common)


def humaneval_x(row: Row) -> Iterator[Case]:
    language = LANGUAGES.get(row["language"]) or str(row["language"])
    prompt = row["prompt"]
    if language == "rust":
        prompt = UNAVAILABLE_CRATES.sub("", row["declaration"])
    facts = {"language": language, "tests": row["test"], "code_prompt": prompt, "kind": "program"}
    if language == "python":
        facts["entry_point"] = row["declaration"].split("def ")[-1].split("(")[0]
    plain = prompt + row["canonical_solution"] + "\n" + row["test"]
    common: Row = {"language": language, "row": facts}
    yield Case(id=row["task_id"], completion=row["canonical_solution"], expected=True, plain=plain, **common)
    yield Case(id=f"{row['task_id']} leaves", completion=LEAVES[language], expected=False, **common)


def mbpp_plus(row: Row) -> Iterator[Case]:
    tests = [line for line in _statements(row["assertion"]) if line]
    facts = {"language": "python", "tests": tests, "entry_point": row["entry_point"]}
    inputs = [{"args": args} for args in row["base_input"] + row["plus_input"]]
    derived = {**facts, "tests": inputs, "canonical_solution": row["canonical_solution"]}
    plain = f"{row['canonical_solution']}\n{row['assertion']}"
    nothing = f"def {row['entry_point']}(*args, **kwargs):\n    return ...\n"
    common: Row = {"language": "python"}
    yield Case(
        id=row["task_id"],
        row=facts,
        completion=row["canonical_solution"],
        expected=True,
        plain=plain,
        **common,
    )
    yield Case(
        id=f"{row['task_id']} plus",
        row=derived,
        completion=row["canonical_solution"],
        expected=True,
        **common,
    )
    yield Case(id=f"{row['task_id']} nothing", row=facts, completion=nothing, expected=False, **common)
    yield Case(id=f"{row['task_id']} plus nothing", row=derived, completion=nothing, expected=False, **common)
    yield Case(
        id=f"{row['task_id']} leaves",
        row=facts,
        completion="import sys\nsys.exit(0)\n",
        expected=False,
        **common,
    )


def _statements(text: str) -> list[str]:
    return [ast.get_source_segment(text, node) or "" for node in ast.parse(text).body]


def mbpp_train(row: Row) -> Iterator[Case]:
    facts = {"language": "python", "tests": row["test_list"], "setup": row["test_setup_code"]}
    plain = "\n".join([row["code"], row["test_setup_code"], *row["test_list"]])
    yield Case(
        id=f"mbpp {row['task_id']}",
        language="python",
        row=facts,
        completion=row["code"],
        expected=True,
        plain=plain,
    )
    yield Case(
        id=f"mbpp {row['task_id']} leaves",
        language="python",
        row=facts,
        completion="raise SystemExit\n",
        expected=False,
    )


def multipl_e(row: Row) -> Iterator[Case]:
    language = LANGUAGES.get(row["language"]) or str(row["language"])
    facts = {"language": language, "tests": row["tests"], "code_prompt": row["prompt"], "kind": "program"}
    yield Case(
        id=f"{row['name']} {language}",
        language=language,
        row=facts,
        completion=LEAVES[language],
        expected=False,
    )


def code_contests(row: Row) -> Iterator[Case]:
    """The file has no solutions: a table of the answers is the positive control, one with a wrong last answer
    the negative."""
    facts = {"language": "python", "tests": row["tests"]}
    for expected in (True, False):
        table = {hashlib.sha256(t["stdin"].encode()).hexdigest(): t["stdout"] for t in row["tests"]}
        if not expected:
            table[hashlib.sha256(row["tests"][-1]["stdin"].encode()).hexdigest()] += "0"
        code = f"import sys, hashlib\nprint({table!r}[hashlib.sha256(sys.stdin.buffer.read()).hexdigest()])\n"
        yield Case(
            id=f"{row['id']} {expected}", language="python", row=facts, completion=code, expected=expected
        )


def cruxeval(row: Row) -> Iterator[Case]:
    for expected, wanted in ((True, row["output"]), (False, f"[{row['output']}, 'x']")):
        facts = {"language": "python", "tests": [f"assert f({row['input']}) == {wanted}"], "entry_point": "f"}
        yield Case(
            id=f"{row['id']} {expected}",
            language="python",
            row=facts,
            completion=row["code"],
            expected=expected,
        )


def cruxeval_x(row: Row) -> Iterator[Case]:
    name = row["id"].split("_")[0]
    language = LANGUAGES.get(name, name)
    facts = {"language": language, "tests": row["gt"], "kind": "program"}
    plain = row["code"] + row["gt"]
    yield Case(id=row["id"], language=language, row=facts, completion=row["code"], expected=True, plain=plain)


def live_code_bench(row: Row) -> Iterator[Case]:
    """Its canonical solution is ``sys.exit(0)``: a negative control."""
    facts = {"language": "python", "tests": [{"stdin": "", "stdout": "1\n"}]}
    yield Case(
        id=row["id"], language="python", row=facts, completion=row["canonical_solution"], expected=False
    )


def peer_cases(row: Row) -> Iterator[Case]:
    if "instance_id" in row["tests"]:
        return  # a patch of a repository, not a program
    completion = row.get("solution") or row["response"]
    facts: Row = {"language": "python", "tests": row["tests"]}
    yield Case(
        id=row["id"],
        language="python",
        row=facts,
        completion=completion,
        expected=row.get("expected_score", 1.0) == 1.0,
    )


def sandbox_cases(row: Row) -> Iterator[Case]:
    facts = {**row["task_def"], "language": row["language"]}
    expected = bool(row["expected_reward"])
    yield Case(id=row["id"], language=row["language"], row=facts, completion=row["code"], expected=expected)


def sandboxfusion(row: Row) -> Iterator[Case]:
    facts = {"language": row["language"], "tests": [{"stdin": "", "stdout": "hello\n"}]}
    expected = bool(row.get("accepted", False))
    yield Case(id=row["id"], language=row["language"], row=facts, completion=row["code"], expected=expected)


def text_attacks(row: Row) -> Iterator[Case]:
    """Completions without a program, on two tasks; those of reward-doctor whose domain is maths say nothing
    about code."""
    if row.get("expect") is not False:
        return
    for kind, facts in (
        ("program", {"tests": [{"stdin": "6 7\n", "stdout": "42\n"}]}),
        ("function", {"tests": ["assert f(6, 7) == 42"], "entry_point": "f"}),
    ):
        row_facts = {**facts, "language": "python", "kind": kind}
        yield Case(
            id=f"{row['id']} {kind}",
            language="python",
            row=row_facts,
            completion=row["completion"],
            expected=False,
        )


FILES: dict[str, Callable[[Row], Iterable[Case]]] = {
    "code/humaneval": humaneval,
    "code/humaneval_x": humaneval_x,
    "code/mbpp_plus": mbpp_plus,
    "code/mbpp_train": mbpp_train,
    "code/multipl_e": multipl_e,
    "code/code_contests_stdin": code_contests,
    "code/code_eval_cruxeval": cruxeval,
    "code/code_eval_cruxeval_x": cruxeval_x,
    "code/code_eval_live_code_bench_v1": live_code_bench,
    "code/peer_code_reward_cases": peer_cases,
    "adversarial/sandbox_cases": sandbox_cases,
    "adversarial/sandboxfusion_cases": sandboxfusion,
    "adversarial/gradecheck_payloads": text_attacks,
    "adversarial/reward_doctor_cases": text_attacks,
}
