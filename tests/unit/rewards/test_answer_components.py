"""Exact, F1, multiple choice, judgement, JSON schema, regex and language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.components.f1 import F1Reward, f1
from rewards.components.final_text import final_text
from rewards.components.json_schema import JsonSchemaReward
from rewards.components.judgement import JudgementReward, judgement_prompt, label_of
from rewards.components.language import LanguageReward
from rewards.components.multiple_choice import MultipleChoiceReward, chosen
from rewards.components.pattern import RegexReward
from rewards.exact import ExactReward
from rollout.types import Prompt, Reward, RewardResult


def prompt(answer: str = "B", **metadata: object) -> Prompt:
    return Prompt(id="p", text="?", token_ids=(), answer=answer, metadata=metadata)


def judged(reward: Reward, text: str, given: Prompt | None = None) -> RewardResult:
    return reward(given or prompt(), text, truncated=False)


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("<think>5?</think> So <answer> 4 </answer>!", "4"),
        ("<answer>3</answer> no, <answer>4</answer>", "4"),
        ("<think>4", ""),
        ("plain", "plain"),
        ("<think><answer>3</answer></think>4", "4"),
        ("<answer>3<answer>4</answer>", "4"),
    ],
)
def test_final_text(text: str, final: str) -> None:
    assert final_text(prompt(), text) == final


def test_exact_normalised() -> None:
    reward = ExactReward(normalise=True)
    assert judged(reward, "<think>hm</think> The  Elephant!\n", prompt("elephant")).correct
    assert not judged(reward, "<think>elephant</think>", prompt("elephant")).correct
    assert not judged(reward, "an elephant or two", prompt("elephant")).correct


def test_f1_by_hand() -> None:
    assert f1("the red house", "a house") == pytest.approx(2 / 3)
    assert f1("to be to be", "be") == pytest.approx(2 / 5)  # one of four shared
    assert (f1("", "x"), f1("x", "")) == (0, 0)
    reward = F1Reward(threshold=0.5)
    assert judged(reward, "red house", prompt("", answers=["a tree", "house"])).value == pytest.approx(2 / 3)
    assert judged(reward, "red house", prompt("", answers=["a tree", "house"])).correct
    assert not judged(reward, "red house", prompt("tree")).correct


@given(st.text("ab .", max_size=20), st.text("ab .", max_size=20))
def test_f1_is_symmetric_and_bounded(left: str, right: str) -> None:
    assert f1(left, right) == f1(right, left)
    assert 0 <= f1(left, right) <= 1


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("B", "B"),
        ("(B) 4", "B"),
        ("**B.** four", "B"),
        ("Both look right.\nThe answer is (C).", "C"),
        ("A square has four sides. Answer: B", "B"),
        ("A square has four sides", None),
        ("The answer is A because of this", "A"),
        (r"so \boxed{\text{D}}", "D"),
        (r"\boxed{A} no: \boxed{B}", "B"),
        ("<think>C</think><answer>B</answer>", "B"),
        ("<think>the answer is B", None),
        ("The answer is A or C", None),
        (r"\boxed{A, B}", None),
        ("A/B", None),
        ("B, not A", "B"),
        ("The answer is unknown", None),
        ("Because", None),
        ("", None),
    ],
)
def test_the_choice_that_a_text_settles_on(text: str, label: str | None) -> None:
    assert chosen(prompt(), text, "ABCDE") == label


def test_a_cut_off_choice_counts_only_if_it_was_committed() -> None:
    reward = MultipleChoiceReward()
    assert reward(prompt(), r"\boxed{B} and so", truncated=True).correct
    assert reward(prompt(), "The answer is B", truncated=True).reason == "truncated"


def test_a_gold_answer_that_is_no_label_is_said_before_the_run() -> None:
    with pytest.raises(ValueError, match="prompt p: answer '4' is none of the labels"):
        MultipleChoiceReward().check(prompt("4"))
    MultipleChoiceReward().check(prompt("(B)"))


@pytest.mark.parametrize(
    ("gold", "given", "value", "components"),
    [
        ("B", "B", 1, {"correctness": 1, "conciseness": 1}),
        ("B", "A", 0.25, {"correctness": 1, "conciseness": 0}),
        ("A", "B", 0.25, {"correctness": 1, "conciseness": 0}),
        ("A", "C", 0, {"correctness": 0, "conciseness": 0}),
        ("C", "C", 1, {"correctness": 1}),
        ("C", "A", 0, {"correctness": 0}),
    ],
)
def test_judgement(gold: str, given: str, value: float, components: dict[str, float]) -> None:
    result = judged(JudgementReward(partial=0.25), rf"\boxed{{{given}}}", prompt(gold))
    assert (result.value, result.correct, result.components) == (value, gold == given, components)


def test_labels_of_worked_solutions() -> None:
    assert [
        label_of(correct=c, concise=s)
        for c, s in ((True, False), (True, True), (False, True), (False, False))
    ] == list("ABCC")
    assert judgement_prompt("q?", "it is 4").count("it is 4") == 1


SCHEMA = {"type": "object", "required": ["sum"], "properties": {"sum": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"sum": 4}', ""),
        ('<think>{</think>Here:\n```json\n{"sum": 4}\n```', ""),
        ('- Here:\n  ```json\n  {"sum": 4}\n  ```', ""),
        ('> ```json\n> {"sum":\n> 4}\n> ```', ""),
        ('```JSON\n{"sum": 4}\n```', ""),
        ('```json\n{"sum": 4}\n```\nfor\n```python\nprint(4)\n```', ""),
        ('```json\n{"sum": 4}\n```\nor\n```json\n{"sum": "4"}\n```', "schema"),
        ('```json\n{"sum": 4}\n```\nor\n```json\n{"su', "no JSON"),
        ('{"sum": 4} or {"sum": 5}', "no JSON"),
        ('{"sum": 4}, I think', "no JSON"),
        ('not {"sum": 4}', "no JSON"),
        ('{"sum": "4"}', "schema"),
        ('{"sum": NaN}', "no JSON"),
        ("{'sum': 4}", "no JSON"),
        ('The object is {"sum": 4}', "no JSON"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_json_schema(text: str, reason: str) -> None:
    result = judged(JsonSchemaReward(schema=SCHEMA), text)
    assert (result.correct, result.reason) == (not reason, reason)


def test_schemas_come_from_the_prompt_too_and_are_checked() -> None:
    reward = JsonSchemaReward()
    assert judged(reward, '{"sum": 4}', prompt(schema=SCHEMA)).correct
    with pytest.raises(ValueError, match=r"finds no metadata.schema; add it, or set reward_args.schema"):
        reward.check(prompt())
    with pytest.raises(ValueError, match=r"metadata.schema: no JSON schema: 'integr' is not valid"):
        reward.check(prompt(schema={"type": "integr"}))
    with pytest.raises(
        ValueError, match=r"metadata.schema: a JSON schema is an object, true or false, not list"
    ):
        reward.check(prompt(schema=["object"]))


def test_references_to_other_documents_are_not_followed() -> None:
    reward = JsonSchemaReward(schema={"$ref": "https://example.org/schema.json"})
    with pytest.raises(Exception, match=r"example\.org"):
        judged(reward, "{}")


def test_regex() -> None:
    assert judged(RegexReward(pattern=r"\d+"), "<think>x</think> 42 ").correct
    assert judged(RegexReward(pattern=r"\d+"), "about 42").reason == "no match"
    assert judged(RegexReward(pattern=r"\d+", match="search"), "about 42").correct
    assert judged(RegexReward(pattern=r"<think>.*", where="text"), "<think>x").correct
    captured = RegexReward(pattern=r"(?P<n>\d+) apples", group="n")
    assert judged(captured, "42 apples", prompt("42")).correct
    assert judged(captured, "41 apples", prompt("42")).reason == "wrong"
    assert judged(RegexReward(), "abc", prompt(pattern="[a-c]+")).correct


def test_a_pattern_that_backtracks_without_end_is_stopped() -> None:
    assert (
        judged(RegexReward(pattern=r"(a|aa)+$", match="search", timeout_s=0.05), "a" * 60 + "b").reason
        == "timeout"
    )


def test_patterns_are_checked() -> None:
    with pytest.raises(ValueError, match=r"pattern: '\(' is no regular expression"):
        RegexReward(pattern="(")
    with pytest.raises(ValueError, match=r"finds no metadata.pattern"):
        RegexReward().check(prompt())


GERMAN = (
    "Wenn wir zwei und zwei zusammenzählen, was die meisten Leute schon einmal getan haben, dann erhalten wir"
    " vier. "
)
ENGLISH = (
    "If we add two to two, which most people have done before, then the sum that we are looking for is four. "
)


def test_language() -> None:
    english = LanguageReward()
    assert judged(english, ENGLISH).value == 1
    assert judged(english, GERMAN).value == 0
    assert judged(english, ENGLISH.upper()).value == 1
    assert judged(english, GERMAN.upper()).value == 0
    assert judged(LanguageReward(language="de"), GERMAN.upper()).correct
    assert judged(LanguageReward(language="de"), GERMAN).correct
    assert judged(
        LanguageReward(language="zh"), "这个问题的答案是四,因为二加二等于四。我们可以用手指数一数就知道了。"
    ).correct
    mixed = judged(english, ENGLISH * 12 + GERMAN * 12)
    assert 0.3 < mixed.value < 0.7
    assert not mixed.correct


def test_formulas_and_code_are_no_language() -> None:
    noise = r"$\mathrm{wenn}\ \text{und}$ ```for i in range: drucke(und, oder, wenn)``` \(\alpha\beta\)"
    assert judged(LanguageReward(), ENGLISH + noise * 20).value == 1
    assert judged(LanguageReward(), noise).reason == "too short to tell the language"


def test_unknown_languages_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'english' is unknown to langdetect; use one of \['af'"):
        LanguageReward(language="english")
