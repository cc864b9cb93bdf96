"""The universal judge: a program is what it does with stdin, arguments and files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rewards.code.compare import same_output
from rewards.code.compiler import Built
from rewards.code.verdict import Verdict, ending
from rewards.sandbox.base import Job, Outcome, Sandbox

BATCHES = (1, 3, 8, 16)
"""Tests a job; growing, so that a program that is wrong at once costs little and a right one few starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run and what it should do."""

    stdin: str = ""
    stdout: str | None = None
    """None: not looked at."""
    exit_code: int = 0
    args: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    """Expected content, by name, after the run."""
    given: dict[str, str] = field(default_factory=dict)
    """Files that are there before the run."""


def judge_program(
    sandbox: Sandbox, built: Built, cases: Sequence[Case], *, tolerance: float, partial: bool, total_s: float
) -> Verdict:
    """Run the cases in order; without ``partial`` up to the first failure, and until they have taken
    ``total_s`` wall seconds."""
    passed, reason, spent = 0, "", 0.0
    for number, (case, outcome) in enumerate(_runs(sandbox, built, cases), start=1):
        spent += outcome.wall_s
        failure = failure_of(case, outcome, tolerance)
        passed += not failure
        if failure:
            reason = reason or f"{failure} on test {number}"
        if (failure and not partial) or (spent > total_s and number < len(cases)):
            reason = reason or f"timeout after {number} tests"
            break
    return Verdict(passed, len(cases), reason)


def _runs(sandbox: Sandbox, built: Built, cases: Sequence[Case]) -> Iterator[tuple[Case, Outcome]]:
    done, batches = 0, list(BATCHES)
    while done < len(cases):
        batch = cases[done : done + (batches.pop(0) if len(batches) > 1 else batches[0])]
        if batch[0].given:
            batch = batch[:1]  # files of its own, so a job of its own
        elif any(case.given for case in batch):
            batch = batch[: next(i for i, case in enumerate(batch) if case.given)]
        given = {name: text.encode() for name, text in batch[0].given.items()}
        steps = [
            built.step(case.stdin.encode("utf-8", "replace"), case.args, tuple(case.files)) for case in batch
        ]
        outcomes = sandbox.run(Job(files={**given, **built.files}, steps=steps, stop_at_failure=False))
        yield from zip(batch, outcomes, strict=True)
        done += len(batch)


def failure_of(case: Case, outcome: Outcome, tolerance: float) -> str:
    """Why the run fails its case; empty if it passes."""
    end = ending(outcome, "runtime error", case.exit_code)
    if end:
        return end
    if case.stdout is not None and not same_output(case.stdout, outcome.stdout, tolerance=tolerance):
        return "wrong answer"
    for name, content in case.files.items():
        if name not in outcome.files:
            return f"no file {name}"
        if not same_output(content, outcome.files[name], tolerance=tolerance):
            return f"wrong content of {name}"
    return ""
