"""The reward for programs."""

import atexit
import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from rewards.code.compiler import Compiler
from rewards.code.extract import NoCode, assemble, extract_code
from rewards.code.judge import Judge
from rewards.code.languages import find_language, limits_of, load_languages
from rewards.code.reference import require_results
from rewards.code.rows import KINDS, code_prefix, read_tests, row_of
from rewards.code.verdict import Verdict
from rewards.sandbox import open_sandbox
from rewards.sandbox.base import Job, Sandbox, SandboxError, Step
from rewards.thinking import after_thinking
from rollout.types import Prompt, RewardResult

NEEDS_BUBBLEWRAP = True
"""For the contract tests, which skip it where bubblewrap is missing."""
PROBE_LIMITS = {"wall_s": 60.0, "cpu_s": 60.0}
"""Limits of the question whether a language is there: a busy machine must not say that it is not."""
INSTALL = (
    "install bubblewrap (Debian: apt-get install bubblewrap), set sandbox=http://HOST:PORT of a `t2rl sandbox"
    " serve`"
)


class CodeReward:
    """1 if the completion's program passes every test of the row.

    Reads ``Prompt.metadata``: ``tests`` (see docs/rewards_code.md for its shapes), and where given
    ``language``, ``kind``, ``entry_point``, ``hidden_tests``, ``code_prompt``, ``canonical_solution``.

    Args:
        language: For rows that name none.
        kind: ``function`` or ``program``, for rows that name none; by default the shape of the tests decides.
        sandbox: ``local``, ``http://host:port``, or ``unsafe_subprocess``; or a mapping, {kind: one of these,
            token_file: ..., patience_s: ...} (docs/sandbox.md).
        partial: Give the share of passed tests; ``correct`` still wants all.
        float_tolerance: Absolute or relative difference that numbers of outputs and results may have.
        hidden: Columns of tests that the prompt does not show, judged after ``tests``.
        perturb: How many more inputs are derived where the row has a reference solution.
        reference: Column of that solution.
        limits: Fields of ``Limits`` for every run of the program, over the language's: wall_s, memory_mib,
            ...
        total_s: Wall seconds for all runs of one program.
        languages: Folder with YAML files of your own languages.

    Raises:
        ValueError: The sandbox is missing, or the language unknown or not installed.
    """

    pure = False
    """A verdict may depend on chance and on how busy the machine is; only compiling is remembered."""

    def __init__(
        self,
        *,
        language: str = "python",
        kind: str | None = None,
        sandbox: str | Mapping[str, Any] = "local",
        partial: bool = False,
        float_tolerance: float = 0.0,
        hidden: Sequence[str] = ("hidden_tests",),
        perturb: int = 0,
        reference: str = "canonical_solution",
        limits: Mapping[str, float] | None = None,
        total_s: float = 60.0,
        languages: str | None = None,
    ) -> None:
        if kind is not None and kind not in KINDS:
            raise ValueError(f"kind: {kind!r} is unknown; use one of {KINDS}, or leave it out")
        if perturb < 0 or float_tolerance < 0 or total_s <= 0:
            raise ValueError("perturb and float_tolerance must not be negative, and total_s must be positive")
        self._language, self._kind, self._partial, self._languages = language, kind, partial, languages
        self._hidden, self._perturb, self._reference = tuple(hidden), perturb, reference
        try:
            self._sandbox = shared_sandbox(json.dumps(sandbox, sort_keys=True))
        except SandboxError as error:
            raise ValueError(f"sandbox: {error}; {INSTALL}") from error
        kind = sandbox if isinstance(sandbox, str) else str(sandbox.get("kind"))
        if kind.startswith("http"):
            self.on_timeout = "unjudged"  # it waited for a service that is away or full, not for the program
        self._judge = Judge(
            self._sandbox,
            Compiler(self._sandbox, limits),
            python=find_language("python").run[:-1],
            limits=dict(limits or {}),
            tolerance=float_tolerance,
            partial=partial,
            total_s=total_s,
        )
        self._others = frozenset(load_languages(languages))
        self._check_installed = lru_cache(maxsize=64)(self._is_installed)
        self._require(language)

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text.

        Raises:
            ValueError: The row's tests or language make no sense, or the language is not installed.
            SandboxError: The sandbox failed; that says nothing about the program.
        """
        row = row_of(prompt)
        language = self._require(str(row.get("language") or self._language))
        names = {language.name, *language.aliases}
        said = after_thinking(prompt, text)
        try:
            if text.strip() and not said.strip():  # nothing but a thinking
                raise NoCode("truncated" if truncated else "no code")
            code = extract_code(said, names, self._others, truncated=truncated)
        except NoCode as error:
            return RewardResult(value=0.0, correct=False, reason=str(error))
        program = assemble(
            code, code_prefix(row, language.name), str(row.get("entry_point") or ""), language.name
        )
        return self._result(self._verdict(program, row, language.name))

    def check(self, prompt: Prompt) -> None:
        """Raise ValueError, naming the column, if no completion of this prompt could be judged."""
        row = row_of(prompt)
        language = self._require(str(row.get("language") or self._language))
        for column in self._columns(row):
            tests = read_tests(row, column, language.name, self._kind_of(row))
            if not self._reference_of(row, language.name):
                require_results(tests, column, self._reference)

    def gold_texts(self, prompt: Prompt) -> list[str]:
        """The row's reference solution, in a fence; none where it has none."""
        row = row_of(prompt)
        language = str(row.get("language") or self._language)
        program = self._reference_of(row, language)
        return [f"```{language}\n{program}\n```"] if program else []

    def _columns(self, row: Mapping[str, Any]) -> list[str]:
        return ["tests", *(name for name in self._hidden if row.get(name))]

    def _kind_of(self, row: Mapping[str, Any]) -> str | None:
        return row["kind"] if row.get("kind") in KINDS else self._kind

    def _verdict(self, program: str, row: Mapping[str, Any], language: str) -> Verdict:
        given = find_language(language, self._languages)
        verdict: Verdict | None = None
        reference = self._reference_of(row, language)
        for column in self._columns(row):
            read = read_tests(row, column, language, self._kind_of(row))
            if not reference:
                require_results(read, column, self._reference)
            tests = self._judge.completed(read, given, reference)
            parts = [(column, tests)]
            if column == "tests" and self._perturb and reference:
                more = self._judge.perturbed(
                    tests, self._perturb, str(row.get("entry_point") or ""), given, reference
                )
                parts += [("perturbed", more)] if more else []
            for name, part in parts:
                if verdict is not None and verdict.reason and not self._partial:
                    return verdict
                found = self._judge.judge(program, given, part)
                if name != "tests" and found.reason:
                    found = Verdict(found.passed, found.total, f"{found.reason} ({name})")
                verdict = found if verdict is None else verdict.and_then(found)
        assert verdict is not None
        return verdict

    def _reference_of(self, row: Mapping[str, Any], language: str) -> str:
        solution = row.get(self._reference)
        if not isinstance(solution, str) or not solution.strip():
            return ""
        return assemble(solution, code_prefix(row, language), str(row.get("entry_point") or ""), language)

    def _result(self, verdict: Verdict) -> RewardResult:
        share = verdict.passed / verdict.total if verdict.total else 0.0
        value = 1.0 if verdict.correct else (share if self._partial else 0.0)
        # A program may pass every test that it was given time for; then the share is below 1 by the reason
        # alone.
        return RewardResult(
            value=value, correct=verdict.correct, components={"tests_passed": share}, reason=verdict.reason
        )

    def _require(self, name: str) -> Any:
        language = find_language(name, self._languages)
        self._check_installed(language.name)
        return language

    def _is_installed(self, name: str) -> None:
        language = find_language(name, self._languages)
        files = (
            {language.source_name("")[0]: language.version_program.encode()}
            if language.version_program
            else {}
        )
        limits = limits_of(language.limits, PROBE_LIMITS)
        step = Step(argv=language.version, env=language.env, limits=limits)
        (outcome,) = self._sandbox.run(Job(files=files, steps=[step]))
        if not outcome.ok:
            programs = " and ".join(language.programs())
            raise ValueError(
                f"language: {language.name} needs {programs}, which the sandbox does not find;"
                f" {language.how_to_install()}"
            )


@lru_cache(maxsize=4)
def shared_sandbox(spec: str) -> Sandbox:
    """One sandbox a process and ``spec`` (JSON), however many rewards of a rubric use it; it ends with the
    process."""
    sandbox, owner = open_sandbox(json.loads(spec)), os.getpid()

    def close() -> None:
        if os.getpid() == owner:  # a fork has the object, and not the sandbox
            sandbox.close()

    atexit.register(close)
    return sandbox


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    tests = [{"stdin": "1 2\n", "stdout": "3\n"}, {"stdin": "-5 5\n", "stdout": "0\n"}]
    prompt = Prompt(
        id="example",
        text="Add two numbers.",
        token_ids=(),
        answer="",
        metadata={"language": "python", "tests": tests},
    )
    return prompt, "I read both and add them:\n```python\nprint(sum(map(int, input().split())))\n```\n"
