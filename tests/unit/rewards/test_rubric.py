"""Rubrics: components, weights, gates, what is correct, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import build_reward, check_reward
from rewards.rubric.spec import Weight
from rewards.rubric.value import weighted_value
from rollout.types import Failure, Prompt, RewardResult

PROMPT = Prompt(id="p", text="?", token_ids=(), answer="42")
FORMATTED, BARE, WRONG = (
    "<think>so</think><answer>42</answer>",
    "#### 42",
    "<think>so</think><answer>41</answer>",
)
COMPONENTS = {
    "math": {"reward": "math", "weight": 1.0},
    "format": {"reward": "format", "weight": 0.2},
    "length": {"reward": "length", "weight": 0.1, "args": {"free": 5, "limit": 10}},
}


def rubric(**changes: dict) -> dict:
    components = {name: {**spec, **changes.get(name, {})} for name, spec in COMPONENTS.items()}
    return {"components": components, "correct": "math"}


@pytest.mark.parametrize(
    ("text", "gate", "value", "correct"),
    [
        (FORMATTED, None, 1 + 0.2 - 0.1, True),
        (BARE, None, 1 - 0.04, True),
        (WRONG, None, 0.2 - 0.1, False),
        (FORMATTED, "format", 1.1, True),
        # right but not in the format: its value is gated, its correctness is not
        (BARE, "format", -0.04, True),
        (WRONG, "format", 0.1, False),
    ],
)
def test_format_gates_correctness_or_not(text: str, gate: str | None, value: float, correct: bool) -> None:
    result = build_reward("rubric", rubric(math={"gate": gate}))(PROMPT, text, truncated=False)
    assert (result.value, result.correct) == (pytest.approx(value), correct)


def test_components_are_reported_unweighted_and_ungated() -> None:
    result = build_reward("rubric", rubric(math={"gate": "format"}))(PROMPT, BARE, truncated=False)
    assert result.components == {"math": 1.0, "format": 0.0, "length": pytest.approx(-0.4)}


def test_a_gate_may_ask_for_less_than_full_marks() -> None:
    gate = {"component": "format", "at_least": 0.5}
    args = rubric(math={"gate": gate}, format={"args": {"mode": "soft"}})
    assert build_reward("rubric", args)(PROMPT, FORMATTED + "!", truncated=False).value == pytest.approx(
        1 + 0.2 * 2 / 3 - 0.1
    )


def test_the_reason_is_that_of_what_decides() -> None:
    assert build_reward("rubric", rubric())(PROMPT, WRONG, truncated=False).reason == "wrong"


def test_experts_inside_a_rubric() -> None:
    args: dict[str, Any] = {
        "components": {
            "answer": {
                "experts": {"sums": "math", "names": {"reward": "exact", "args": {"ignore_case": True}}}
            }
        }
    }
    reward = build_reward("rubric", args)
    sums = Prompt(id="s", text="?", token_ids=(), answer="4", category="sums")
    names = Prompt(id="n", text="?", token_ids=(), answer="Ada", category="names")
    assert reward(sums, "So 4.0", truncated=False).correct
    assert reward(names, "ada", truncated=False).correct
    assert not reward(names, "So ada", truncated=False).correct
    with pytest.raises(
        ValueError,
        match=(
            r"components.answer: prompt p: no expert for category 'default'; experts know \['names', 'sums'\]"
        ),
    ):
        check_reward(reward, [sums, names, PROMPT])
    args["components"]["answer"]["default"] = "exact"
    check_reward(build_reward("rubric", args), [sums, names, PROMPT])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"components": {}}, "components: .*at least 1"),
        ({"components": {"m": {"reward": "math", "wieght": 1}}}, "components.m.wieght: Extra inputs"),
        ({"components": {"m": {}}}, "components.m: set either reward .* or experts"),
        ({"components": {"m": {"reward": "maths"}}}, "components.m: reward: 'maths' is unknown"),
        ({"components": {"m": {"reward": "math", "weight": float("inf")}}}, "components.m.weight: .*finite"),
        (
            {"components": {"m": {"reward": "math", "gate": "f"}}},
            "components.m.gate: there is no component 'f'; use one of",
        ),
        ({"components": {"m": {"reward": "math", "gate": "m"}}}, "cannot be its own gate"),
        (
            {"components": {"m": {"reward": "math", "schedule": "exponential"}}},
            "components.m.schedule: .*set its end",
        ),
        (
            {
                "components": {
                    "m": {"reward": "math", "weight": -1, "schedule": {"kind": "exponential", "end": 1}}
                }
            },
            "passes 0",
        ),
        ({"components": {"std": {"reward": "math"}}}, "the log has reward/std for something else"),
        ({"components": {"l": {"reward": "length"}}}, "judge form only"),
        (
            {"components": COMPONENTS},
            r"name the component that decides what is correct, one of \['math', 'format'\]",
        ),
        ({"components": COMPONENTS, "correct": "length"}, "'length' judges form only"),
        ({"components": COMPONENTS, "correct": "maths"}, "there is no component 'maths'"),
        (
            {"components": {"m": {"experts": {"a": {"reward": "math", "weight": 2}}}}},
            "experts.a: give reward and args",
        ),
        (
            {"components": {"m": {"experts": {"a": "math", "b": "length"}}}},
            "some judge answers and some form only",
        ),
    ],
)
def test_refusals_name_the_field(args: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_reward("rubric", args)


def test_schedules_inside_an_inner_rubric_are_refused() -> None:
    inner = {"components": {"m": {"reward": "math", "schedule": "cosine"}}}
    for part in (
        {"reward": "rubric", "args": inner},
        {"experts": {"a": {"reward": "rubric", "args": inner}}},
    ):
        with pytest.raises(ValueError, match="cannot follow schedules"):
            build_reward("rubric", {"components": {"all": part}})


def test_form_alone_is_no_task() -> None:
    with pytest.raises(ValueError, match="judges form only, so no answer would ever be correct"):
        check_reward(build_reward("length"), [PROMPT])


def test_a_component_that_is_not_a_number_leaves_the_sample_unjudged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    args = rubric(length={"gate": "format"})
    args["components"]["length"]["reward"], args["components"]["length"]["args"] = (
        "callable_examples:not_a_number",
        {},
    )
    result = build_reward("rubric", args)(PROMPT, BARE, truncated=False)
    reason = "error: non-finite value (component length)"
    assert result == RewardResult.unjudged(reason, Failure.NOT_FINITE)


NUMBERS = st.floats(-100, 100)
PARTS = st.dictionaries(st.sampled_from("abcd"), NUMBERS, min_size=1)


@given(PARTS, PARTS, NUMBERS)
def test_the_value_is_linear_in_the_weights(components: dict, weights: dict, factor: float) -> None:
    plain = {name: Weight(weight=weight) for name, weight in weights.items()}
    scaled = {name: Weight(weight=factor * weight) for name, weight in weights.items()}
    value = weighted_value(components, plain, 0.5)
    assert value == pytest.approx(sum(components[n] * weights[n] for n in components.keys() & weights.keys()))
    assert weighted_value(components, scaled, 0.5) == pytest.approx(factor * value, abs=1e-6)


@given(PARTS, NUMBERS)
def test_a_gate_counts_all_or_nothing(components: dict, at_least: float) -> None:
    gated = {"a": Weight(gate={"component": "b", "at_least": at_least})}
    value = weighted_value(components, gated, 0.0)
    opened = components.get("b", float("-inf")) >= at_least
    assert value == (components.get("a", 0.0) if opened else 0.0)
