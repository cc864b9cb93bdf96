"""The data of a task before a run: how many, how long, as tokens, what repeats, what cannot be right."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rewards import build_reward, check_reward
from rewards.golds import gold_texts
from rl.commands.tasks.tokens import Facts
from rl.config.task_mixture import parts_of
from rl.run.prepare.overlap_check import OverlapCheck
from rl.run.prepare.references_judge import judge_references
from rl.scorers.rules import limits_of
from rl.tasks import Task
from rl.tasks.base import Split
from rollout.contract import Finding
from rollout.types import Prompt

QUANTILES = {"min": 0, "median": 50, "95%": 95, "max": 100}
BARS = " ▁▂▃▄▅▆▇█"
BINS = 24
SHOWN = 3


@dataclass(slots=True, kw_only=True)
class DataReport:
    """Facts by name, and the checks that have an outcome."""

    facts: dict[str, Any] = field(default_factory=dict)
    """JSON-able."""
    lines: list[tuple[str, str]] = field(default_factory=list)
    """(what, text) for people."""
    findings: list[Finding] = field(default_factory=list)

    def say(self, name: str, value: Any, text: str) -> None:
        """A fact, for programs and for people."""
        self.facts[name] = value
        self.lines.append((name, text))

    def judge(self, check: str, problem: str) -> None:
        """The outcome of a check; '' is a pass."""
        self.findings.append(Finding(check=check, passed=not problem, problem=problem))


def data_report(
    section: Any,
    task: Task,
    splits: Mapping[Split, Sequence[Prompt]],
    *,
    facts: Facts | None,
    room: int,
    seconds: float,
) -> DataReport:
    """Look at the prompts of all splits.

    Args:
        section: The task section.
        task: Made with room for any prompt.
        splits: Its prompts.
        facts: What is known of the policy's tokens; None without a tokenizer, so that lengths are words.
        room: Tokens that a prompt may have.
        seconds: For judging reference answers; 0 = not at all.
    """
    report = DataReport()
    counts = {split: len(prompts) for split, prompts in splits.items()}
    report.say("rows", counts, ", ".join(f"{split} {count}" for split, count in counts.items()))
    if any(getattr(part, "on_error", "") == "skip" for part in parts_of(section).values()):
        report.judge("every row can be used", "\n".join(getattr(task, "notes", ())))
    everything = [prompt for prompts in splits.values() for prompt in prompts]
    categories = Counter(prompt.category for prompt in everything)
    if len(categories) > 1:
        report.say(
            "categories", dict(categories), ", ".join(f"{n} {c}" for n, c in categories.most_common(12))
        )
    _lengths(report, everything, with_tokens=facts is not None, room=room)
    if facts is not None:
        _tokens(report, everything, facts)
    _overlap(report, section, task, splits)
    report.judge("its reward takes its prompts", _refused(task, everything))
    if seconds > 0 and report.findings[-1].passed:
        _golds(report, task, everything, seconds)
    return report


def _refused(task: Task, prompts: Sequence[Prompt]) -> str:
    try:
        check_reward(build_reward(task.reward_name, task.reward_args), prompts)
    except ValueError as error:
        return str(error)
    return ""


def _lengths(report: DataReport, prompts: Sequence[Prompt], *, with_tokens: bool, room: int) -> None:
    sizes = np.array([len(p.token_ids) if with_tokens else len(p.text.split()) for p in prompts])
    at = {name: int(np.percentile(sizes, share)) for name, share in QUANTILES.items()}
    unit = "tokens" if with_tokens else "words"
    shown = ", ".join(f"{name} {value}" for name, value in at.items())
    report.say(f"{unit} of a prompt", at, f"{shown}  |{histogram(sizes)}|")
    if with_tokens:
        late = [p for p, size in zip(prompts, sizes, strict=True) if size > room]
        report.judge(
            "every prompt fits",
            ""
            if not late
            else f"{len(late)} of {len(prompts)} are longer than {room} tokens (rollout.max_model_len -"
            f" rollout.max_tokens), {late[0].id} among them; raise the first, lower the second, or set"
            " task.on_error=skip",
        )


def histogram(sizes: np.ndarray) -> str:
    """A bar for each of up to 24 ranges of sizes, from 0 to the largest."""
    counts, _ = np.histogram(sizes, bins=min(BINS, int(sizes.max()) + 1), range=(0, int(sizes.max()) + 1))
    top = counts.max()
    return "".join(BARS[-(-int(count) * (len(BARS) - 1) // int(top))] for count in counts)


def _tokens(report: DataReport, prompts: Sequence[Prompt], facts: Facts) -> None:
    report.say("one prompt", facts.pieces(prompts[0]), facts.shown(prompts[0]))
    twice = [prompt for prompt in prompts if facts.starts_twice(prompt)]
    report.judge(
        "one start token",
        ""
        if not twice
        else f"{len(twice)} prompts begin with {facts.start!r} twice, {twice[0].id} among them; take it out"
        " of the prompt or of the chat template",
    )
    report.judge("an end token that is sampled", facts.end_problem(chat=facts.is_chat(prompts[0])))


def _overlap(report: DataReport, section: Any, task: Task, splits: Mapping[Split, Sequence[Prompt]]) -> None:
    held_out = [*splits.get("dev", ()), *splits.get("test", ())]
    check = OverlapCheck(section, task, splits["train"])
    try:
        notes = check.held_out(held_out, refuse=True)
        report.judge("held-out prompts are not in train", "")
    except ValueError as error:
        report.judge("held-out prompts are not in train", str(error))
        notes = check.held_out(held_out, refuse=False)[1:]
    notes += check.repeats()
    for note in notes:
        report.say("repeated" if note.startswith("of ") else "overlap", note, note)


def _golds(report: DataReport, task: Task, prompts: Sequence[Prompt], seconds: float) -> None:
    reward = build_reward(task.reward_name, task.reward_args)
    asked = [(prompt, texts) for prompt in prompts if (texts := gold_texts(reward, prompt))]
    if not asked:
        said = f"the reward {task.reward_name} does not say how a right completion looks"
        report.say("answers", {"judged": 0}, f"not tried: {said}")
        return
    timeout_s, memory_mib = limits_of(task.reward_name, task.reward_args)
    options = {"timeout_s": timeout_s, "memory_mib": memory_mib}
    verdicts = judge_references(task.reward_name, task.reward_args, options, asked, seconds=seconds)
    bad = [one for one in verdicts.refused if not one.taken]
    counts = {
        "judged": verdicts.judged,
        "rejected": len(bad),
        "doubtful": len(verdicts.refused) - len(bad),
        "undecided": verdicts.undecided,
        "no_time": verdicts.left,
    }
    origin = getattr(task, "origin", lambda prompt: prompt.id)
    first = "".join(
        f"\n  {origin(one.prompt)}: {one.prompt.answer!r:.80} ({one.reason})" for one in bad[:SHOWN]
    )
    text = ", ".join(f"{name} {count}" for name, count in counts.items() if count or name == "judged")
    report.say("answers", counts, f"{text}, by their own reward {task.reward_name}")
    report.judge(
        "no answer is rejected by its own reward",
        "" if not bad else f"{len(bad)} of {verdicts.judged}:{first}",
    )
