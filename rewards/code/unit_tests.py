"""Tests that are part of the program: HumanEval-X, MultiPL-E.

Program and tests share a process, so no verdict of theirs can be beyond doubt. What they must show is a
proof, random in every run, that the harness gives out only after the last test has returned: leaving early,
printing "PASSED", swallowing the tests in an open comment and replacing the usual assertions do not get it.
docs/rewards_code.md says what is left.
"""

import re
import secrets
from dataclasses import dataclass

from rewards.code.compiler import Compiler
from rewards.code.languages import Language
from rewards.code.verdict import Verdict, ending
from rewards.sandbox.base import Job, Sandbox

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Source text that follows the program's."""

    text: str
    setup: str = ""
    """Source text before the program's, such as imports."""


def judge_unit_tests(
    sandbox: Sandbox, compiler: Compiler, language: Language, program: str, suite: Suite
) -> Verdict:
    """One verdict on all tests together.

    Raises:
        ValueError: The language has no harness for such tests, or they hold no test.
    """
    style = language.unit_tests
    if style is None:
        raise ValueError(
            f"tests: {language.name} has no unit_tests in its language file; give tests as [{{stdin,"
            " stdout}]"
        )
    names = re.findall(style.calls, _COMMENT.sub("", suite.text)) if style.calls else []
    if style.calls and not names:
        raise ValueError(f"tests: no {language.name} test function in them; expected {style.calls}")
    joined = _COMMENT.sub(" ", program.replace("\\\n", ""))
    for pattern in style.refuse:
        if found := re.search(pattern, joined):
            return Verdict(0, 1, f"{' '.join(found[0].split())[:40]}: would change the tests")
    text = suite.text
    for pattern, replacement in style.rewrite:
        text = re.sub(pattern, replacement, text)
    for pattern, replacement in style.rewrite_program:
        program = re.sub(pattern, replacement, program)
    proof = secrets.token_hex(16)
    source = (
        "\n".join(part for part in (suite.setup, program) if part)
        + style.between
        + text
        + style.end.replace("{proof}", proof)
    )
    calls = "\n    ".join(style.call.replace("{name}", name) for name in names)
    built = compiler.build(
        language,
        source,
        harness=language.harness(calls),
        compile=style.compile,
        artifacts=style.artifacts,
        run=style.run,
    )
    if isinstance(built, str):
        return Verdict(0, 1, built)
    (outcome,) = sandbox.run(Job(files=built.files, steps=[built.step(f"{proof}\n".encode())]))
    end = ending(outcome, "tests failed")
    if end:
        return Verdict(0, 1, end)
    return Verdict(1, 1) if proof.encode() in outcome.stdout else Verdict(0, 1, "ended before the last test")
