"""Reasoning-gym's own verifiers behind the reward protocol: every dataset of the library."""

import json
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from reasoning_gym.factory import create_dataset
from reasoning_gym.utils import extract_answer

from rewards.components.final_text import opens_answer
from rewards.gym_grammar import EVALUATED, value_of
from rewards.thinking import after_thinking
from rollout.types import Prompt, RewardResult

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_PROBABILITY = re.compile(r"\d{1,20}(?:\.\d{1,30}|/0*[1-9]\d{0,19})?|\.\d{1,30}", re.ASCII)
_NAN = re.compile(r"(?<![a-z])nan(?![a-hk-z])", re.IGNORECASE)
_INT_LIST = re.compile(r"-?\d{1,9}(?:,-?\d{1,9})*", re.ASCII)


def _after_hash(text: str) -> str | None:
    return text.rsplit("#", 1)[1].strip() if "#" in text else None


def _last_number(text: str) -> str | None:
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


EXTRACTIONS: dict[str, Callable[[str], str | None]] = {
    "hash": _after_hash,
    "answer_tags": extract_answer,
    "last_number": _last_number,
    "whole": str.strip,
}


@lru_cache(maxsize=1024)
def _verifier(name: str, config_json: str) -> Any:
    return create_dataset(name, seed=0, size=1, **json.loads(config_json))


TUPLES = {"arc_agi": "output", "rearc": "output"}
"""Dataset -> its metadata that the library compares with tuples, which JSON has turned into lists."""


def _same_word(answer: str, entry: Mapping[str, Any]) -> bool:
    return answer.casefold() == str(entry["answer"]).casefold()


def _same_probability(answer: str, entry: Mapping[str, Any]) -> bool:
    return _PROBABILITY.fullmatch(answer) is not None and abs(
        Fraction(answer) - Fraction(str(entry["answer"]))
    ) <= Fraction(1, 10_000)


def _uses_its_numbers(answer: str, entry: Mapping[str, Any]) -> bool:
    facts = entry["metadata"]
    numbers = sorted(map(int, re.findall(r"\d+", answer)))
    return numbers == sorted(facts["numbers"]) and value_of(answer) == facts.get("target", 24)


STRICTER: dict[str, Callable[[str, Mapping[str, Any]], bool]] = {
    "game_of_life_halting": _same_word,
    "coin_flip": _same_probability,
    "puzzle24": _uses_its_numbers,
    "countdown": _uses_its_numbers,
}
"""Dataset -> what must hold beside the library's full marks. Its verifier takes any text for a "True" in the
first, "0" for any number that begins with it in the second, any four numbers and any value from 24 to below
25 in the third, and in the fourth what is nearly the target."""
NOT_UNDERSTOOD = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, SyntaxError),
    RecursionError,
)
"""Exceptions that some of the library's verifiers raise on an answer that is not of the expected form."""


def library_score(facts: Mapping[str, Any], answer: str | None) -> float:
    """Return what the library's ``score_answer`` gives an answer, 0 to 1.

    Args:
        facts: ``dataset``, ``config`` and ``entry`` {answer, metadata} of the item, as they were or back from
            JSON.
        answer: Without any text around it.

    Raises:
        ValueError: The library would run the answer as code (``rewards.gym_grammar``).
        Exception: Whatever its verifier of this dataset raises on an answer of another form
            (``NOT_UNDERSTOOD``).
    """
    name, config, entry = _dataset(facts), facts["config"], dict(facts["entry"])
    if answer is not None and name in EVALUATED and not EVALUATED[name](answer, entry):
        raise ValueError(f"{name}: {answer[:80]!r} is not of the expected form")
    if facts["dataset"] == "composite":  # JSON has turned the config of the part into a dict
        config = next(part["config"] for part in config["datasets"] if part["name"] == name)
    if name in TUPLES:
        board = tuple(tuple(row) for row in entry["metadata"][TUPLES[name]])
        entry["metadata"] = {**entry["metadata"], TUPLES[name]: board}
    verifier = _verifier(name, json.dumps(config, sort_keys=True))
    return float(verifier.score_answer(answer, entry))


def _dataset(facts: Mapping[str, Any]) -> str:
    """Whose verifier judges: a composite only passes on to one of its parts."""
    name = facts["dataset"]
    return str(facts["entry"]["metadata"]["source_dataset"] if name == "composite" else name)


class ReasoningGymReward:
    """1 if the library's ``score_answer`` gives the extracted answer full marks, else 0: partial credit is
    not correctness.

    Reads ``Prompt.metadata`` only: ``dataset``, ``config``, ``entry`` {answer, metadata}, ``answer_format``.

    Args:
        extraction: Where the answer stands: after the last ``#``, in ``answer_tags``, the ``last_number``, or
            the ``whole`` text.
        partial_credit: Wrong answers get what the library gives them, below 1; some datasets give 0.01 to
            anything that parses.
    """

    def __init__(self, *, extraction: str = "hash", partial_credit: bool = False) -> None:
        if extraction not in EXTRACTIONS:
            raise ValueError(f"extraction: {extraction!r} is unknown; use one of {sorted(EXTRACTIONS)}")
        self._extract, self._partial_credit = EXTRACTIONS[extraction], partial_credit
        self._in_tags = extraction == "answer_tags"

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if the prompt is no item of the library."""
        missing = [
            name for name in ("dataset", "config", "entry", "answer_format") if name not in prompt.metadata
        ]
        if missing:
            raise ValueError(
                f"prompt {prompt.id}: reasoning_gym finds no metadata.{missing[0]}; use"
                " task.kind=reasoning_gym"
            )

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text; a truncated one is wrong even if it holds the answer."""
        if truncated:
            return _wrong("truncated")
        if not text.strip():
            return _wrong("empty")
        said = after_thinking(prompt, text)
        answer = None if self._in_tags and opens_answer(said) else self._extract(said)
        if not answer:
            return _wrong("no answer")
        facts = prompt.metadata
        if facts["answer_format"] == "int_list":
            # The library forgives each sorted number an error of 1, which a policy would find out: compare
            # exactly first.
            if not _INT_LIST.fullmatch(answer) or _ints(answer) != _ints(prompt.answer):
                return _wrong("wrong")
            answer = str([str(float(v)) for v in _ints(answer)])
        # near to any number, to complex_arithmetic
        if _NAN.search(answer) and not _NAN.search(str(facts["entry"]["answer"])):
            return _wrong("wrong")
        stricter = STRICTER.get(_dataset(facts))
        try:
            score = library_score(facts, answer)
            if score == 1.0 and stricter is not None and not stricter(answer, facts["entry"]):
                return _wrong("wrong")
        except NOT_UNDERSTOOD:
            return _wrong("not understood")
        if score == 1.0:
            return RewardResult(value=1.0, correct=True, components={"accuracy": 1.0})
        return _wrong("wrong", score if self._partial_credit else 0.0)


def _ints(text: str) -> list[int]:
    return [int(v) for v in text.split(",")]


def _wrong(reason: str, value: float = 0.0) -> RewardResult:
    return RewardResult(value=value, correct=False, components={"accuracy": 0.0}, reason=reason)


def example() -> tuple[Prompt, str]:
    """A prompt and a text that must score 1, for the contract tests."""
    entry = {"answer": "12", "metadata": {"numbers": [24, 36], "result": 12}}
    facts = {
        "dataset": "gcd",
        "config": {"min_value": 1, "max_value": 99},
        "entry": entry,
        "answer_format": "plain",
    }
    return (
        Prompt(id="train/gcd/L4/0", text="g 24,36=", token_ids=(1,), answer="12", metadata=facts),
        "36%24:12,24%12:0#12",
    )
