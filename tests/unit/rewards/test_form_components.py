"""Format, tag counts, length, repetition: hand-computed values, and what holds of any text."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.components.cosine_length import CosineLengthReward
from rewards.components.format import FormatReward
from rewards.components.length import LengthReward, cosine_scaled, length_of, linear_penalty
from rewards.components.repetition import RepetitionReward, repetition_penalty
from rewards.components.tag_count import TagCountReward
from rollout.types import Prompt, RewardResult

PROMPT = Prompt(id="p", text="?", token_ids=(), answer="42")
GOOD = "<think>six times seven</think>\n<answer>42</answer>\n"
TEXTS = st.lists(
    st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "word ", " ", "\n", "x"]), max_size=14
).map("".join)


def strict(text: str, **args: object) -> float:
    return FormatReward(**args)(PROMPT, text, truncated=False).value


def soft(text: str, **args: object) -> float:
    return FormatReward(mode="soft", **args)(PROMPT, text, truncated=False).value


@pytest.mark.parametrize(
    ("text", "hard", "easy"),
    [
        (GOOD, 1, 1),
        ("<think>a</think> and <answer>42</answer>", 0, 2 / 3),  # text between the blocks
        ("<answer>42</answer><think>a</think>", 0, 2 / 3),  # wrong order
        (GOOD + "P.S.", 0, 2 / 3),
        ("<think>a</think><answer></answer>", 0, 1 / 3),  # nothing answered
        ("<think>a</think><answer>42", 0, 1 / 3),
        ("<think>a</think><think>b</think><answer>42</answer>", 0, 1 / 3),
        ("<think>a<answer>b</think>42</answer>", 0, 2 / 3),  # crossed
        ("<think>a <answer>b</answer></think>", 0, 2 / 3),  # one inside the other
        ("</think>a<think><answer>42</answer>", 0, 1 / 3),
        ("42", 0, 0),
    ],
)
def test_format(text: str, hard: float, easy: float) -> None:
    assert (strict(text), soft(text)) == (hard, pytest.approx(easy))


def test_format_of_a_thinking_model() -> None:
    args = {"tags": ["think"], "rest": "required"}
    assert strict("<think>so</think>It is 42.", **args) == 1
    assert strict("<think>so</think> ", **args) == 0
    assert strict("It is <think>so</think>42.", **args) == 0
    assert strict("<think></think>42", **args) == 0
    assert strict("<think></think>42", **args, filled=False) == 1
    assert strict("<think>so</think> ", tags=["think"], rest="allowed") == 1


def test_a_text_that_was_cut_off_is_not_whole() -> None:
    result = FormatReward()(PROMPT, GOOD, truncated=True)
    assert (result.value, result.correct, result.reason) == (0.0, False, "truncated")


@given(TEXTS)
def test_soft_is_one_exactly_where_strict_is(text: str) -> None:
    assert 0 <= soft(text) <= 1
    assert (soft(text) == 1) == (strict(text) == 1)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (GOOD, 1),
        ("<think>a</think>42</answer>", 0.75),
        ("<think><think>a</think>", 0.25),
        ("</answer>", 0.25),
        ("none", 0),
    ],
)
def test_tag_counts(text: str, share: float) -> None:
    result = TagCountReward()(PROMPT, text, truncated=False)
    assert (result.value, result.correct) == (share, share == 1)


def test_linear_penalty_by_hand() -> None:
    assert [linear_penalty(n, free=100, limit=200, penalty=0.5) for n in (0, 100, 150, 200, 999)] == [
        0,
        0,
        -0.25,
        -0.5,
        -0.5,
    ]


def test_length_in_words_and_characters() -> None:
    assert (length_of("Ein Satz.  Noch einer", "words"), length_of("ab c", "characters")) == (4, 4)
    assert length_of("这个 word", "words") == 3
    reward = LengthReward(free=2, limit=4, unit="words")
    assert [
        reward(PROMPT, text, truncated=False).value for text in ("a b", "a b c", "a b c d", "a b c d e")
    ] == [0, -0.5, -1, -1]


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_penalties_fall_with_length_and_stay_bounded(one: float, other: float) -> None:
    short, long = sorted((one, other))
    args = {"free": 100.0, "limit": 5000.0, "penalty": 2.0}
    assert -2 <= linear_penalty(long, **args) <= linear_penalty(short, **args) <= 0
    assert (
        0.5
        <= cosine_scaled(long, limit=100, at_zero=1, at_limit=0.5)
        <= cosine_scaled(short, limit=100, at_zero=1, at_limit=0.5)
    )


def test_cosine_by_hand() -> None:
    values = [cosine_scaled(n, limit=100, at_zero=1, at_limit=0.5) for n in (0, 25, 50, 75, 100, 200)]
    assert values == pytest.approx([1, 0.9267767, 0.75, 0.5732233, 0.5, 0.5])


def test_cosine_length_scales_a_verdict() -> None:
    reward = CosineLengthReward(limit=100)
    right, wrong = "#### 42", "#### 41"
    texts = [right.rjust(50), right.rjust(200), wrong.rjust(50), wrong.rjust(200)]
    results = [reward(PROMPT, text, truncated=False) for text in texts]
    assert [r.value for r in results] == pytest.approx([0.75, 0.5, -0.75, -0.5])
    assert [r.correct for r in results] == [True, True, False, False]
    assert results[2].reason == "wrong"


def test_right_must_beat_wrong_at_any_length() -> None:
    with pytest.raises(ValueError, match="a right answer must always be worth more"):
        CosineLengthReward(correct_long=-0.5)
    with pytest.raises(ValueError, match="'length' judges form only"):
        CosineLengthReward(reward="length")


def test_repetition_by_hand() -> None:
    assert repetition_penalty(list("abcabcd"), n=3, penalty=2) == pytest.approx(-0.4)  # 4 of 5 distinct
    assert repetition_penalty([5] * 5, n=2, penalty=1) == -0.75
    assert repetition_penalty(["one"], n=2, penalty=1) == 0
    assert RepetitionReward(n=2)(PROMPT, "No no NO no no", truncated=False).value == -0.75


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 5))
def test_repetition_is_bounded_and_zero_without_repetition(tokens: list[int], n: int) -> None:
    assert -1 < repetition_penalty(tokens, n=n, penalty=1) <= 0
    assert repetition_penalty(list(range(len(tokens))), n=n, penalty=1) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FormatReward(tags=[]), "at least one block"),
        (lambda: FormatReward(tags=["a", "a"]), "each once"),
        (lambda: FormatReward(mode="mild"), "strict or soft"),
        (lambda: TagCountReward(tags=[]), "at least one block"),
        (lambda: LengthReward(free=5, limit=5), "free < limit"),
        (lambda: LengthReward(penalty=-1), "must be positive"),
        (lambda: LengthReward(unit="tokens"), "curriculum=overlong"),
        (lambda: RepetitionReward(n=0), "at least 1"),
    ],
)
def test_refusals(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def unjudged(prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
    return RewardResult.unjudged("the service is down")


def test_a_length_scales_no_verdict_that_there_is_not() -> None:
    reward = CosineLengthReward(reward=f"{__name__}:make_unjudged")
    assert not reward(PROMPT, "42", truncated=False).judged


def make_unjudged() -> object:
    return unjudged
