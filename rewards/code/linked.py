"""Python functions under test: the tests run in one sandbox, the program in another, and only plain data goes
between them.

The tester calls the program's functions over a socket. The program sees its arguments, never a test or an
expected value, and has no way to write the verdict: leaving early, patching, printing and reading files
change nothing but its own answers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.code.languages import HARNESS
from rewards.code.verdict import STOPPED, Verdict
from rewards.sandbox.base import Job, Limits, Outcome, Sandbox, SandboxError, Step, Stop

TESTED = ("values.py", "tested.py")
TESTER = ("values.py", "remote.py", "tester.py")
FIXED = {"PYTHONHASHSEED": "0", "PYTHONINTMAXSTRDIGITS": "0"}
"""So that sets have one order in reference and program, and integers of any length can be printed."""
TESTER_SLACK_S = 5.0
"""Wall seconds that the tester may go on after the program must have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTests:
    """The tester's job: functions to call, and what they must return."""

    style: str
    """``asserts``: ``tests`` is a list of statements, one test each. ``script``: the text of a module
    (``check(candidate)``, pytest functions, unittest classes, or assertions). ``calls``: cases {args, kwargs,
    expected}, encoded. ``record``: the same, for what the program returns."""
    tests: Any
    entry_point: str = ""
    prelude: str = ""
    """Trusted source that the tests build on: the part of the prompt before the function."""
    setup: str = ""
    """Trusted source that may use the program's functions."""

    @property
    def count(self) -> int:
        """How many tests; 1 for a script."""
        return 1 if self.style == "script" else len(self.tests)


def judge_functions(
    sandbox: Sandbox,
    program: str,
    tests: FunctionTests,
    *,
    limits: Limits,
    python: Sequence[str],
    tolerance: float,
    partial: bool,
) -> Verdict:
    """Passed tests of ``program``'s functions.

    Raises:
        SandboxError: The sandbox failed.
        ValueError: The tests themselves are wrong: they hold no test, or are no Python.
    """
    lines, of_tested = run_tester(
        sandbox, program, tests, limits=limits, python=python, tolerance=tolerance, partial=partial
    )
    results = [line["why"] for line in lines if "why" in line]
    passed, total = results.count(""), max(tests.count, len(results))
    ended = lines[-1] if lines else {}
    for number, why in enumerate(results, start=1):
        if why:
            return Verdict(passed, total, f"{why} on test {number}" if total > 1 else why)
    if ended.get("done"):
        return Verdict(passed, total)
    where = f" on test {len(results) + 1}" if total > 1 else ""
    if "failed" in ended:
        detail = f": {ended['detail']}" if ended.get("detail") else ""
        return Verdict(0, total, f"{ended['failed']}{detail}")
    if "nothing" in ended:
        raise ValueError(f"tests: {ended['nothing']}")
    return Verdict(passed, total, _stopped(of_tested) + where)


def run_tester(
    sandbox: Sandbox,
    program: str,
    tests: FunctionTests,
    *,
    limits: Limits,
    python: Sequence[str],
    tolerance: float,
    partial: bool,
) -> tuple[list[dict[str, Any]], Outcome]:
    """Return what the tester wrote, line by line, and how the program ended."""
    spec = {
        "style": tests.style,
        "tests": tests.tests,
        "entry_point": tests.entry_point,
        "prelude": tests.prelude,
        "setup": tests.setup,
        "tolerance": tolerance,
        "partial": partial,
    }
    tested = Step(argv=(*python, "tested.py"), env=FIXED, limits=limits)
    wall_s, cpu_s = limits.wall_s + TESTER_SLACK_S, limits.cpu_s + TESTER_SLACK_S
    tester = Step(
        argv=(*python, "tester.py"),
        env=FIXED,
        limits=Limits(wall_s=wall_s, cpu_s=cpu_s, output_kib=64 << 10, memory_mib=1024),
    )
    source = program.encode("utf-8", "replace")
    of_tested, of_tester = sandbox.run_linked(
        Job(files={**_files(TESTED), "solution.py": source}, steps=[tested]),
        Job(files={**_files(TESTER), "spec.json": json.dumps(spec).encode()}, steps=[tester]),
    )
    if not of_tested or not of_tester:
        raise SandboxError("a linked run gave no outcome")
    outcome = of_tester[-1]
    lines = [json.loads(line) for line in outcome.stdout.splitlines() if line.endswith(b"}")]
    if outcome.stop is Stop.EXIT and outcome.exit_code != 0:
        last = outcome.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        raise ValueError(f"tests: the tester failed: {last[0][:120]}")
    return lines, of_tested[-1]


def _files(names: Sequence[str]) -> Mapping[str, bytes]:
    return {name: (HARNESS / name).read_bytes() for name in names}


def _stopped(of_tested: Outcome) -> str:
    """Why the program was lost; the tester's own end says nothing more."""
    if of_tested.stop is not Stop.EXIT:
        return STOPPED[of_tested.stop]
    return "ended early" if of_tested.exit_code >= 0 else f"killed by signal {-of_tested.exit_code}"
