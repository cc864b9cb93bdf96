"""The recorded peer test calls that a component of ours answers by the same formula, as pairs of what they
expect and what we say.

A call is ``{fn, args, kwargs, base, path}``: ``base`` made the function that is called, ``path`` picks from
the result. Each handler answers the call with our component; calls without a handler have no counterpart here
(maths and code extraction are other suites).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from curricula.lengths.length_rewards import overlong, relative_to_group
from rewards import build_reward
from rewards.components.final_text import final_text
from rewards.components.length import cosine_scaled
from rewards.components.repetition import repetition_penalty
from rewards.components.words import words
from rewards.thinking import after_thinking
from rollout.types import Prompt

Row = dict[str, Any]
Answer = Callable[[Row], Any]

THINK = {"tags": ["think"], "rest": "allowed", "filled": False}
THEN_ANSWER = {"tags": ["think"], "rest": "required"}
XML = {"tags": ["reasoning", "answer"], "mode": "soft"}


ASKED = Prompt(id="case", text="", token_ids=(), answer="")


def text_of(completion: Any) -> str:
    """Of a string or a chat, which may be empty."""
    return completion if isinstance(completion, str) else str(completion[0]["content"]) if completion else ""


def value(name: str, args: dict[str, Any], text: str, gold: str = "") -> float:
    return build_reward(name, args)(
        Prompt(id="case", text="", token_ids=(), answer=gold), text, truncated=False
    ).value


def each(name: str, args: dict[str, Any]) -> Answer:
    """One value for each completion."""
    return lambda call: [value(name, args, text_of(completion)) for completion in call["args"][0]]


def mean_over_turns(name: str, args: dict[str, Any]) -> Answer:
    """The peers' parsers average over the assistant's turns."""

    def answer(call: Row) -> float:
        turns = [turn["content"] for turn in call["args"][0] if turn["role"] == "assistant"]
        return float(np.mean([value(name, args, turn) for turn in turns])) if turns else 0.0

    return answer


def code_format(call: Row) -> list[float]:
    """Thinking, then one block of the language, as a pattern."""
    fence = rf"```{call['base']['kwargs']['language']}\n(?s:.*?)```"
    pattern = rf"<think>(?s:(?:(?!</?think>).)*)</think>\s*<answer>\s*{fence}\s*</answer>\s*"
    return each("regex", {"pattern": pattern, "where": "text"})(call)


def repetition(call: Row) -> list[float]:
    options = call["base"]["kwargs"]
    tokens = [c if c and isinstance(c[0], int) else words(text_of(c)) for c in call["args"][0]]
    return [repetition_penalty(t, n=options["ngram_size"], penalty=-options["max_penalty"]) for t in tokens]


def soft_overlong(call: Row) -> list[float]:
    options = call["base"]["kwargs"]
    ids = call["args"][0] if call.get("args") else call["kwargs"]["completion_ids"]
    limit = options["max_completion_len"]
    lengths = np.array([len(i) for i in ids], dtype=np.float64)
    return overlong(lengths, limit=limit, buffer_share=options["soft_punish_cache"] / limit).tolist()


def verdicts(call: Row) -> list[bool]:
    return [
        value("math", {}, text_of(c), gold) == 1.0
        for c, gold in zip(call["args"][0], call["args"][1], strict=True)
    ]


def cosine(call: Row) -> list[float]:
    """In characters, or in tokens where the call has ids."""
    options = {
        "min_value_wrong": -1.0,
        "max_value_wrong": -0.5,
        "min_value_correct": 0.5,
        "max_value_correct": 1.0,
    }
    options |= call["base"]["kwargs"]
    lengths = (
        [len(i) for i in call["args"][2]]
        if len(call["args"]) > 2
        else [len(text_of(c)) for c in call["args"][0]]
    )
    bounds = {True: ("max_value_correct", "min_value_correct"), False: ("min_value_wrong", "max_value_wrong")}
    return [
        cosine_scaled(
            length,
            limit=options["max_len"],
            at_zero=options[bounds[right][0]],
            at_limit=options[bounds[right][1]],
        )
        for length, right in zip(lengths, verdicts(call), strict=True)
    ]


def group_length(call: Row) -> list[float]:
    lengths = np.array([len(text_of(c)) for c in call["args"][0]], dtype=np.float64)
    return [] if not lengths.size else relative_to_group(lengths, np.array(verdicts(call))).tolist()


def last_answer(call: Row) -> str:
    given = call["args"][0]
    return final_text(ASKED, given if isinstance(given, str) else given[-1]["content"] if given else "")


HANDLERS: dict[tuple[str, str], Answer] = {
    ("open-r1", "format_reward"): each("format", {}),
    ("open-r1", "tag_count_reward"): each("tag_count", {}),
    ("open-r1", "len_reward"): group_length,
    ("open-r1", "get_cosine_scaled_reward"): cosine,
    ("open-r1", "get_repetition_penalty_reward"): repetition,
    ("open-r1", "get_soft_overlong_punishment"): soft_overlong,
    ("open-r1", "get_code_format_reward"): code_format,
    ("trl", "think_format_reward"): each("format", THINK),
    ("trl", "get_soft_overlong_punishment"): soft_overlong,
    ("trl", "get_repetition_penalty_reward"): repetition,
    ("trl", "get_cosine_scaled_reward"): cosine,
    ("verifiers-think", "get_format_reward_func"): mean_over_turns("format", THEN_ANSWER),
    ("verifiers-think", "parse_answer"): lambda call: after_thinking(ASKED, text_of(call["args"][0])).strip(),
    ("verifiers-think", "parse"): lambda call: after_thinking(ASKED, text_of(call["args"][0])).strip(),
    ("verifiers-xml", "get_format_reward_func"): mean_over_turns("format", XML),
    ("verifiers-xml", "parse_answer"): last_answer,
    ("opencompass-postprocess", "extract_non_reasoning_content"): (
        lambda call: after_thinking(ASKED, text_of(call["args"][0])).strip()
    ),
}
"""(suite, function, or the function that made it) -> our answer."""


def handler_of(row: Row) -> Answer | None:
    call = row["call"]
    made = call["fn"] if call["fn"] != "__call__" else call["base"]["fn"]
    if "with_extractor" in str(call.get("base")):
        return None  # a boxed answer: the maths suite's
    return HANDLERS.get((row["suite"], made))


def picked(result: Any, call: Row) -> Any:
    """What the call's path picks."""
    for step in call.get("path", ()):
        index = int(step.strip("[]"))
        if not -len(result) <= index < len(result):
            return None  # of nothing there is no first one
        result = result[index]
    return result


def same(ours: Any, op: str, expected: Any) -> bool:
    """Whether our answer meets the expectation; numbers to 1e-3, as the peers print them."""
    if ours is None or expected is None:
        return ours is expected
    if op == "==" and isinstance(expected, list):
        return (
            isinstance(ours, list)
            and len(ours) == len(expected)
            and all(same(o, "==", e) for o, e in zip(ours, expected, strict=True))
        )
    number = isinstance(ours, int | float) and isinstance(expected, int | float)
    tests: dict[str, Callable[[], bool]] = {
        "==": lambda: abs(ours - expected) < 1e-4 if number else ours == expected,
        "~=": lambda: abs(ours - expected) < 1e-3,
        ">": lambda: ours > expected,
        ">=": lambda: ours >= expected,
        "<=": lambda: ours <= expected,
    }
    return tests[op]()


def judge(row: Row) -> tuple[bool, Any] | None:
    """(agrees, our answer) of one recorded call; None without a counterpart."""
    answer = handler_of(row)
    if answer is None:
        return None
    ours, expected = picked(answer(row["call"]), row["call"]), row["expected"]
    if isinstance(expected, dict) and "fn" in expected:
        expected = picked(answer(expected), expected)
    return same(ours, row["op"], expected), ours
