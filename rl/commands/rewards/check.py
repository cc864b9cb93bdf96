"""``t2rl rewards check``: does a reward say yes to what is right and no to what is not."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewards.battery import CASES, Attempt, attempts
from rewards.gold_forms import Item, best_form, candidates, gold_of, items_of, source_of
from rewards.processes.pool import VerifierPool
from rl.commands.rewards.check_inputs import Subject
from rl.commands.rewards.check_rates import Rates, rates_of
from rl.commands.rewards.rows import Row, groups_of
from rl.commands.rewards.score import in_order
from rollout.types import RewardResult

SHOWN = 120
"""Characters of a text that is shown."""


@dataclass(slots=True)
class Line:
    """The outcome of one case."""

    case: str
    tried: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Reasons of the verdicts that were no yes."""
    example: str = ""
    """Prompt and text of a verdict that should have been another one."""
    passed: bool | None = None
    """None = not applicable, or allowed."""

    def add(self, result: RewardResult, *, wanted: bool, prompt: str, text: str) -> None:
        """Count a verdict."""
        self.tried += 1
        self.accepted += result.correct
        if not result.correct:
            self.reasons[result.reason] += 1
        if result.correct != wanted and not self.example:
            self.example = f"{prompt}: {text[:SHOWN]!r}" + ("" if result.correct else f" ({result.reason})")


@dataclass(frozen=True, slots=True)
class Report:
    """All lines, where the right completions come from, and the rates if there were labels."""

    subject: Subject
    form: str
    lines: list[Line]
    rates: Rates | None

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(line.passed is not False for line in self.lines)


def run_checks(
    subject: Subject,
    *,
    labelled: tuple[Sequence[Row], Sequence[bool]] | None,
    allow: Sequence[str],
    workers: int,
    timeout_s: float,
    memory_mib: int | None,
) -> Report:
    """Golds, the battery, labelled rows, all in verifier processes.

    Raises:
        ValueError: The reward cannot be built, or an allowed case does not exist.
    """
    unknown = sorted(set(allow) - CASES.keys())
    if unknown:
        raise ValueError(f"--allow {unknown[0]}: no such case; there are {', '.join(CASES)}")
    pool = VerifierPool(
        subject.reward, subject.args, num_workers=workers, timeout_s=timeout_s, memory_mib=memory_mib, cache=0
    )
    return asyncio.run(_run(pool, subject, labelled, allow))


async def _run(
    pool: VerifierPool,
    subject: Subject,
    labelled: tuple[Sequence[Row], Sequence[bool]] | None,
    allow: Sequence[str],
) -> Report:
    await pool.start()
    try:
        items = items_of(subject.prompts, subject.args)
        form, gold = await _golds(pool, items)
        lines = [gold, *(await _battery(pool, items, form, allow))] if items else []
        rates = None if labelled is None else await _rates(pool, *labelled)
        return Report(subject, source_of(items, form), lines, rates)
    finally:
        await pool.close()


async def _golds(pool: VerifierPool, items: Sequence[Item]) -> tuple[str, Line]:
    """The form in which answers are taken, and how the golds in it fared."""
    made = [candidates(item) for item in items]
    scored = await asyncio.gather(
        *(
            pool.score(item.prompt, list(texts.values()), [False] * len(texts))
            for item, texts in zip(items, made, strict=True)
        )
    )
    verdicts = [dict(zip(texts, results, strict=True)) for texts, results in zip(made, scored, strict=True)]
    form = best_form([{name: result.correct for name, result in one.items()} for one in verdicts])
    line = Line("gold")
    for item, texts, one in zip(items, made, verdicts, strict=True):
        text = gold_of(item, form)
        if text is not None:
            used = next(name for name in texts if texts[name] == text)
            line.add(one[used], wanted=True, prompt=item.prompt.id, text=text)
    line.passed = None if line.tried == 0 else line.accepted == line.tried
    return form, line


async def _battery(pool: VerifierPool, items: Sequence[Item], form: str, allow: Sequence[str]) -> list[Line]:
    lines = {case: Line(case) for case in CASES}

    async def one(index: int, item: Item) -> tuple[Item, list[Attempt], list[RewardResult]]:
        tried = attempts(index, items, form)
        return (
            item,
            tried,
            await pool.score(item.prompt, [a.text for a in tried], [a.truncated for a in tried]),
        )

    for item, tried, results in await asyncio.gather(*(one(index, item) for index, item in enumerate(items))):
        for attempt, result in zip(tried, results, strict=True):
            lines[attempt.case].add(result, wanted=False, prompt=item.prompt.id, text=attempt.text)
    for line in lines.values():
        line.passed = (
            None if line.tried == 0 or (line.accepted and line.case in allow) else line.accepted == 0
        )
    return list(lines.values())


async def _rates(pool: VerifierPool, rows: Sequence[Row], labels: Sequence[bool]) -> Rates:
    verdicts = [result async for results in in_order(pool, groups_of(rows), ahead=64) for result in results]
    judged = [(one.correct, label) for one, label in zip(verdicts, labels, strict=True) if one.judged]
    if len({label for _, label in judged}) < 2:
        reason = next(one.reason for one in verdicts if not one.judged)
        raise ValueError(
            f"--labelled: too few of {len(labels)} completions could be judged for both rates: {reason}"
        )
    return rates_of([correct for correct, _ in judged], [label for _, label in judged])


def to_json(report: Report) -> Mapping[str, Any]:
    """The report as one object."""
    return {
        "task": report.subject.name,
        "reward": report.subject.reward,
        "prompts": len(report.subject.prompts),
        "form": report.form,
        "passed": report.passed,
        "cases": [
            {
                "case": line.case,
                "tried": line.tried,
                "accepted": line.accepted,
                "passed": line.passed,
                "reasons": dict(line.reasons.most_common()),
                "example": line.example,
            }
            for line in report.lines
        ],
        "rates": None if report.rates is None else report.rates.to_json(),
    }
