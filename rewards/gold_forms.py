"""A completion that must score 1, made from a prompt's reference answer or solution, or taken from its
``gold_completion``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.golds import GOLD
from rewards.thinking import opened_by
from rollout.types import Prompt

Form = Callable[[str], str]

FORMS: dict[str, Form] = {
    "box": lambda answer: f"The answer is \\boxed{{{answer}}}.",
    "answer tags": lambda answer: f"<answer>{answer}</answer>",
    "four hashes": lambda answer: f"#### {answer}",
    "hash": lambda answer: f"#{answer}",
    "thinking, answer tags": lambda answer: f"<think>It follows.</think><answer>{answer}</answer>",
    "thinking, box": lambda answer: f"<think>It follows.</think>\n\\boxed{{{answer}}}",
    "thinking, text": lambda answer: f"<think>It follows.</think>\n{answer}",
    "sentence": lambda answer: f"The answer is {answer}.",
    "text": lambda answer: answer,
}
"""How an answer may be given; the first that the reward takes for most prompts is used for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A prompt with what is known of its right completions."""

    prompt: Prompt
    kind: str
    """``answer`` (it has a reference), ``program`` (it has tests), ``open`` (its constraints are all there
    is)."""
    given: str = ""
    """Its ``gold_completion``."""
    answer: str = ""
    """Short form of the reference."""
    program: str = ""
    """A fenced reference solution."""

    @property
    def derivable(self) -> bool:
        """Whether a right completion can be had."""
        return bool(self.given or self.answer or self.program)


def items_of(prompts: Sequence[Prompt], args: Mapping[str, Any]) -> list[Item]:
    """[P] in order."""
    return [_item(prompt, args) for prompt in prompts]


def _item(prompt: Prompt, args: Mapping[str, Any]) -> Item:
    facts = prompt.metadata
    given = str(facts.get(GOLD) or "")
    if "tests" in facts:
        solution = facts.get(str(args.get("reference", "canonical_solution")))
        language = str(facts.get("language") or args.get("language") or "python")
        program = f"```{language}\n{solution}\n```" if isinstance(solution, str) and solution.strip() else ""
        return Item(prompt=prompt, kind="program", given=given, program=program)
    several = facts.get("answers")
    answer = str(several[0]) if isinstance(several, list) and several else prompt.answer
    answer = answer.rsplit("####", 1)[-1].strip()
    return Item(prompt=prompt, kind="answer" if answer else "open", given=given, answer=answer)


def candidates(item: Item) -> dict[str, str]:
    """Form -> a completion in it."""
    if item.given:
        return {GOLD: _ended(item.prompt, item.given)}
    if item.program:
        return {"program": _ended(item.prompt, item.program)}
    return {name: in_form(item.prompt, name, item.answer) for name in FORMS} if item.answer else {}


def in_form(prompt: Prompt, form: str, answer: str) -> str:
    """An answer in a form, with the thinking tags of the prompt's policy; a thinking that the prompt opened
    is ended first."""
    opening, closing = prompt.thinking_tags
    text = FORMS[form](answer)
    thought = "<think>It follows.</think>"
    if text.startswith(thought):
        text = f"{'' if opened_by(prompt) else opening}It follows.{closing}{text.removeprefix(thought)}"
    return _ended(prompt, text)


def _ended(prompt: Prompt, text: str) -> str:
    """The text behind the end of a thinking that the prompt opened."""
    closing = prompt.thinking_tags[1]
    return f"It follows.{closing}\n{text}" if opened_by(prompt) and closing not in text else text


def source_of(items: Sequence[Item], form: str) -> str:
    """Where right completions come from, in words."""
    sources = {
        next(name for name in (GOLD, "program", form) if name in made)
        for item in items
        if (made := candidates(item))
    }
    return ", ".join(sorted(sources)) or "none"


def best_form(accepted: Sequence[Mapping[str, bool]]) -> str:
    """Return the form of answers that was right for the most prompts; the first of them if several were."""
    counts = {name: sum(verdicts.get(name, False) for verdicts in accepted) for name in FORMS}
    return max(counts, key=counts.__getitem__)


def gold_of(item: Item, form: str) -> str | None:
    """Its right completion, if one can be had."""
    made = candidates(item)
    return next((made[name] for name in (GOLD, "program", form) if name in made), None)
