"""The instruction-following reward as a whole: strict and loose, partial credit, errors of the prompt,
hostile text."""

import inspect
import resource
from typing import Any

import pytest

from rewards.ifeval.instructions import read_instructions
from rewards.ifeval.kinds import IFBENCH, IFEVAL, KINDS
from rewards.ifeval.reward import IFEvalReward, variants
from rollout.types import Prompt

COMMA, TITLE, WORDS = "punctuation:no_comma", "detectable_format:title", "length_constraints:number_words"


def prompt_of(ids: Any, kwargs: Any = None) -> Prompt:
    return Prompt(
        id="p", text="", token_ids=(), answer="", metadata={"instruction_id_list": ids, "kwargs": kwargs}
    )


def test_there_are_25_kinds_of_ifeval_and_58_of_ifbench() -> None:
    assert (len(IFEVAL), len(IFBENCH)) == (25, 58)
    assert len(KINDS) == 25 + 58 + 4


def test_right_only_if_every_instruction_holds() -> None:
    prompt = prompt_of([COMMA, TITLE], [{}, None])
    whole = IFEvalReward()(prompt, "<<Title>> no comma", truncated=False)
    assert (whole.value, whole.correct, whole.reason) == (1.0, True, "")
    half = IFEvalReward()(prompt, "<<Title>>, a comma", truncated=False)
    assert (half.value, half.correct) == (0.0, False)
    assert half.components == {COMMA: 0.0, TITLE: 1.0}
    assert half.reason == f"not followed: {COMMA}"


def test_partial_credit_is_value_and_never_correctness() -> None:
    half = IFEvalReward(partial=True)(prompt_of([COMMA, TITLE]), "<<Title>>, a comma", truncated=False)
    assert (half.value, half.correct) == (0.5, False)


def test_the_same_kind_twice_has_two_components() -> None:
    kwargs = [{"keyword": word, "frequency": 1, "relation": "at least"} for word in ("rain", "snow")]
    result = IFEvalReward()(prompt_of(["keywords:frequency"] * 2, kwargs), "rain only", truncated=False)
    assert result.components == {"keywords:frequency": 1.0, "keywords:frequency#2": 0.0}


def test_loose_looks_past_an_introduction_a_farewell_and_emphasis() -> None:
    prompt = prompt_of(["startend:quotation"])
    for text in ('Sure:\n"Quoted."', '"Quoted."\nAnything else?', 'Sure:\n"Quoted."\nBye.', '*"Quoted."*'):
        assert not IFEvalReward(mode="strict")(prompt, text, truncated=False).correct
        assert IFEvalReward(mode="loose")(prompt, text, truncated=False).correct
    assert not IFEvalReward(mode="loose")(
        prompt, 'One line\nand\n"Quoted."\nanother\nBye.', truncated=False
    ).correct


def test_the_eight_variants() -> None:
    assert variants("a\n*b*\nc") == ["a\n*b*\nc", "*b*\nc", "a\n*b*", "*b*", "a\nb\nc", "b\nc", "a\nb", "b"]
    assert variants("one line") == ["one line", ""]


def test_loose_does_not_accept_what_is_left_of_nothing() -> None:
    assert not IFEvalReward(mode="loose")(prompt_of([COMMA]), "one, line", truncated=False).correct


@pytest.mark.parametrize("text", ["", " \n", "!!!", "***", "\0\0"])
def test_nothing_said_is_nothing_followed(text: str) -> None:
    result = IFEvalReward(partial=True)(prompt_of([COMMA]), text, truncated=False)
    assert (result.value, result.correct, result.reason) == (0.0, False, "empty")


def test_a_truncated_completion_is_wrong() -> None:
    result = IFEvalReward(partial=True)(prompt_of([COMMA]), "all is well", truncated=True)
    assert (result.value, result.correct, result.reason) == (0.0, False, "truncated")


@pytest.mark.parametrize(
    ("ids", "kwargs", "message"),
    [
        (None, None, "instruction_id_list: give a list"),
        ([], [], "instruction_id_list: give a list"),
        ([COMMA, "no:such"], None, r"instruction_id_list\[1\]: 'no:such' is unknown"),
        ([3], None, r"instruction_id_list\[0\]: 3 is unknown"),
        ([COMMA], [{}, {}], "kwargs: give a list of 1 mappings"),
        ([COMMA], ["x"], r"kwargs\[0\]: a mapping is needed, not str"),
        ([WORDS], [{"num_words": 5}], rf"kwargs\[0\]: {WORDS} needs relation"),
        ([WORDS], [{"num_words": None, "relation": "at least"}], "needs num_words"),
        (
            [WORDS],
            [{"num_words": "5", "relation": "at least"}],
            r"kwargs\[0\].num_words: '5' does not fit; .* takes a number",
        ),
        ([WORDS], [{"num_words": True, "relation": "at least"}], "num_words: True does not fit"),
        ([TITLE], [{"num_words": 5}], rf"kwargs\[0\]: {TITLE} does not take \['num_words'\]"),
        (
            ["keywords:existence"],
            [{"keywords": "rain"}],
            r"kwargs\[0\].keywords: 'rain' does not fit; .* takes a list of strings",
        ),
        (["startend:end_checker"], [{"end_phrase": 1}], "takes a string"),
    ],
)
def test_a_bad_prompt_is_named_with_its_field(ids: Any, kwargs: Any, message: str) -> None:
    prompt = prompt_of(ids, kwargs)
    with pytest.raises(ValueError, match=message):
        IFEvalReward()(prompt, "text", truncated=False)
    with pytest.raises(ValueError, match=message):
        IFEvalReward().check(prompt)


def test_an_unknown_relation_is_an_error() -> None:
    prompt = prompt_of([WORDS], [{"num_words": 5, "relation": "roughly"}])
    with pytest.raises(ValueError, match="relation: 'roughly' is unknown"):
        IFEvalReward()(prompt, "text", truncated=False)


def test_an_unknown_mode_is_an_error() -> None:
    with pytest.raises(ValueError, match="mode: 'lenient' is unknown"):
        IFEvalReward(mode="lenient")


ARGUMENTS: dict[str, Any] = {
    "relation": "at least",
    "let_relation": "at least",
    "capital_relation": "at least",
    "keywords": ["a"],
    "forbidden_words": ["q"],
    "key_sentences": ["A b."],
    "letter": "a",
    "options": "yes/no",
    "section_spliter": "Section",
    "postscript_marker": "P.S.",
}


UNITS = (
    "a",
    "\ud800",
    "\0",
    "7 ",
    "[",
    "<<",
    "*",
    "* ",
    "\n-",
    "a.\n\n",
    "<i>",
    "{[(",
    "\"'",
    "a b. ",
    "Question 1. ",
    "é, ",
)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_takes_any_text_in_linear_time(name: str) -> None:
    kwargs = {
        key: ARGUMENTS.get(key, 3 if p.annotation is float else "word")
        for key, p in _parameters(name).items()
    }
    ((_, check),) = read_instructions({"instruction_id_list": [name], "kwargs": [kwargs]})
    began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    assert {check(unit * (10_000 // len(unit))) for unit in UNITS} <= {True, False}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - began < 2.0


def _parameters(name: str) -> dict[str, inspect.Parameter]:
    return {k: p for k, p in inspect.signature(KINDS[name]).parameters.items() if p.kind is p.KEYWORD_ONLY}


@pytest.mark.parametrize(
    ("asked", "text", "reason"),
    [
        ("q", "<think>a, b, c</think>\n\nRain falls.", ""),
        ("q<think>", "a, b, c</think>\n\nRain falls.", ""),
        ("q<think>", "Rain falls.", "no answer"),
        ("q", "<think>Rain falls.", "no answer"),
        ("q", "<think>Rain</think>Rain, falls.", "not followed: punctuation:no_comma"),
    ],
)
def test_what_follows_the_thinking_is_judged(asked: str, text: str, reason: str) -> None:
    facts = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    prompt = Prompt(id="p", text=asked, token_ids=(), answer="", metadata=facts)
    assert IFEvalReward()(prompt, text, truncated=False).reason == reason
