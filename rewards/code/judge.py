"""One door to the three ways of judging: programs, functions, unit tests."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewards.code.compiler import Compiler
from rewards.code.languages import Language, limits_of
from rewards.code.linked import FunctionTests, judge_functions, run_tester
from rewards.code.programs import Case, judge_program
from rewards.code.reference import fill_calls, fill_cases, more_tests
from rewards.code.rows import Tests
from rewards.code.unit_tests import Suite, judge_unit_tests
from rewards.code.verdict import Verdict
from rewards.sandbox.base import Job, Sandbox

REFERENCES = 4096
"""Results of reference solutions that are remembered."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges programs on tests of any shape."""

    sandbox: Sandbox
    compiler: Compiler
    python: Sequence[str]
    """The interpreter, without the program's name."""
    limits: Mapping[str, float]
    tolerance: float
    partial: bool
    total_s: float
    _known: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)

    def judge(self, program: str, language: Language, tests: Tests) -> Verdict:
        """The verdict on a program.

        Raises:
            ValueError: The tests make no sense.
            SandboxError: The sandbox failed.
        """
        if isinstance(tests, Suite):
            return judge_unit_tests(self.sandbox, self.compiler, language, program, tests)
        if isinstance(tests, FunctionTests):
            options: dict[str, Any] = {"limits": self._function_limits(language), "python": self.python}
            return judge_functions(
                self.sandbox, program, tests, tolerance=self.tolerance, partial=self.partial, **options
            )
        built = self.compiler.build(language, program)
        if isinstance(built, str):
            return Verdict(0, len(tests), built)
        return judge_program(
            self.sandbox, built, tests, tolerance=self.tolerance, partial=self.partial, total_s=self.total_s
        )

    def completed(self, tests: Tests, language: Language, reference: str) -> Tests:
        """With the reference's results where expected values are missing."""
        if isinstance(tests, FunctionTests) and tests.style == "calls" and reference:
            return fill_calls(tests, lambda cases: self._record(reference, language, cases))
        if isinstance(tests, tuple) and reference:
            filled = fill_cases(tests, lambda cases: self._run(reference, language, cases))
            if not filled:
                raise ValueError("tests: the reference solution fails on every input")
            return filled
        return tests

    def perturbed(
        self, tests: Tests, count: int, entry_point: str, language: Language, reference: str
    ) -> Tests | None:
        """Up to ``count`` tests on other inputs, by the reference."""
        return more_tests(
            tests,
            count,
            entry_point,
            lambda cases: self._record(reference, language, cases),
            lambda cases: self._run(reference, language, cases),
        )

    def _function_limits(self, language: Language) -> Any:
        return limits_of(language.limits, self.limits)

    def _record(self, reference: str, language: Language, tests: FunctionTests) -> list[Any]:
        key = (reference, tests.entry_point, repr(tests.tests))
        if key not in self._known:
            lines, _ = run_tester(
                self.sandbox,
                reference,
                tests,
                limits=self._function_limits(language),
                python=self.python,
                tolerance=0.0,
                partial=True,
            )
            values = [None if line.get("refused") else line for line in lines if "value" in line]
            # One that hangs the reference ends the recording: what comes after it is not known either.
            self._remember(key, values + [None] * (len(tests.tests) - len(values)))
        return list(self._known[key])

    def _run(self, reference: str, language: Language, cases: Sequence[Case]) -> list[str | None]:
        key = (reference, language.name, repr(cases))
        if key not in self._known:
            built = self.compiler.build(language, reference)
            if isinstance(built, str):
                raise ValueError(f"the row's reference solution does not compile: {built}")
            steps = [built.step(case.stdin.encode(), case.args) for case in cases]
            outcomes = self.sandbox.run(Job(files=built.files, steps=steps, stop_at_failure=False))
            self._remember(
                key,
                [outcome.stdout.decode("utf-8", "replace") if outcome.ok else None for outcome in outcomes],
            )
        return list(self._known[key])

    def _remember(self, key: Hashable, value: Any) -> None:
        self._known[key] = value
        while len(self._known) > REFERENCES:
            self._known.popitem(last=False)
