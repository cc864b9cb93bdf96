"""A regular expression that the answer must match."""

from typing import Literal

import regex

from rewards.components.final_text import final_text, is_tagged
from rewards.verdicts import right, wrong
from rollout.types import Prompt, RewardResult

KEY = "pattern"
"""Where a prompt's metadata hold its own pattern."""


class RegexReward:
    """1 if the pattern matches the text, bounded in time: a pattern that backtracks without end costs
    ``timeout_s``.

    Args:
        pattern: In the syntax of the ``regex`` package (that of ``re`` and more); None reads
            ``metadata.pattern`` of each prompt.
        match: ``full``: the pattern is the whole text; ``search``: it stands anywhere.
        where: ``final``: what follows the thinking, inside the answer tags if there are any; ``text``:
            everything.
        group: Name or number of a group that must equal the reference answer, too; None = matching is enough.
        timeout_s: Seconds that one match may take; less than what the verifier process has.

    Raises:
        ValueError: The pattern is none, or an argument is unknown.
    """

    def __init__(
        self,
        *,
        pattern: str | None = None,
        match: Literal["full", "search"] = "full",
        where: Literal["final", "text"] = "final",
        group: str | int | None = None,
        timeout_s: float = 1.0,
    ) -> None:
        if match not in ("full", "search") or where not in ("final", "text"):
            raise ValueError(
                f"match: {match!r} must be full or search, where: {where!r} must be final or text"
            )
        self._compiled = None if pattern is None else _compile(pattern, "pattern")
        self._full, self._final, self._group, self._timeout_s = (
            match == "full",
            where == "final",
            group,
            timeout_s,
        )

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if the prompt has no pattern, or a broken one."""
        self._pattern_of(prompt)

    def _pattern_of(self, prompt: Prompt) -> "regex.Pattern[str]":
        if self._compiled is not None:
            return self._compiled
        if prompt.metadata.get(KEY) is None:
            raise ValueError(
                f"prompt {prompt.id}: regex finds no metadata.{KEY}; add it, or set reward_args.pattern"
            )
        return _compile(str(prompt.metadata[KEY]), f"prompt {prompt.id}: metadata.{KEY}")

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        compiled = self._pattern_of(prompt)
        if not text.strip():
            return wrong("empty")
        answer = final_text(prompt, text) if self._final else text
        if not answer:
            return wrong("truncated" if truncated else "no answer")
        if truncated and self._full and not (self._final and is_tagged(prompt, text)):
            return wrong("truncated")
        try:
            found = (compiled.fullmatch if self._full else compiled.search)(answer, timeout=self._timeout_s)
        except TimeoutError:
            return wrong("timeout")
        if found is None:
            return wrong("truncated" if truncated else "no match")
        if self._group is not None and (found[self._group] or "").strip() != prompt.answer.strip():
            return wrong("wrong")
        return right()


def _compile(pattern: str, where: str) -> "regex.Pattern[str]":
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"{where}: {pattern!r} is no regular expression: {error}") from error


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    facts = {KEY: r"\d{4}-\d{2}-\d{2}"}
    return (
        Prompt(id="example", text="Today?", token_ids=(), answer="2026-11-22", metadata=facts),
        "<answer>2026-11-22</answer>",
    )
