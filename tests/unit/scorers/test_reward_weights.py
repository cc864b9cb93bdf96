"""A group's reward at the step of its plan: schedules, the reward model, failed verifiers, and the same again
after a resume."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewards import build_reward
from rewards.processes.pool import VerifierPool
from rewards.rubric.spec import read_rubric
from rl.config.reward_model import RewardModelConfig
from rl.engines.rollout_service import RolloutService
from rl.objective.shaping.handover import handover
from rl.records.trace import TraceWriter
from rl.scorers.reward_model.scorer import NOT_SCORED, ModelScorer
from rl.scorers.reward_weights import make_weigh, weighed
from rl.stream.plans import new_groups
from rollout.types import Failure, Prompt, RewardResult, SamplingConfig

HANDOVER = {
    "components": {
        "structure": {"reward": "format", "weight": 1, "schedule": "cosine"},
        "answer": {"reward": "math", "weight": 0, "schedule": {"kind": "cosine", "end": 1}},
    },
    "correct": "answer",
}


def weigh_of(reward: str, args: dict, *, model: RewardModelConfig | None = None, steps: int = 4) -> Any:
    config = SimpleNamespace(reward_model=model, run=SimpleNamespace(steps=steps))
    made = make_weigh(config, SimpleNamespace(reward_name=reward, reward_args=args))
    return None if made is None else partial(made, prompt_of("default"))


def prompt_of(category: str) -> Prompt:
    return Prompt(id="p", text="?", token_ids=(1,), answer="42", category=category)


def result(value: float = 0.0, reason: str = "wrong", **components: float) -> RewardResult:
    return RewardResult(value=value, correct=False, components=components, reason=reason)


def test_values_follow_the_schedule_over_the_plan_steps() -> None:
    weigh = weigh_of("rubric", HANDOVER)
    values = [weigh([result(structure=1.0, answer=0.0)], step)[0].value for step in range(5)]
    assert values == pytest.approx([1, 0.8535534, 0.5, 0.1464466, 0])


def test_parts_of_a_mixture_follow_their_own_schedules() -> None:
    late = {
        "components": {
            "structure": {"reward": "format", "weight": 0, "schedule": {"kind": "cosine", "end": 2}}
        }
    }
    parts = {
        "a": {"reward": "rubric", "args": HANDOVER},
        "b": {"reward": "rubric", "args": late},
        "c": "exact",
    }
    config = SimpleNamespace(reward_model=None, run=SimpleNamespace(steps=4))
    task = SimpleNamespace(reward_name="mixture", reward_args={"parts": parts})
    weigh = make_weigh(config, task)
    assert weigh is not None
    given = [result(value=7.0, structure=1.0, answer=0.0)]
    values = {c: [weigh(prompt_of(c), given, step)[0].value for step in (0, 4)] for c in ("a", "b/hard", "c")}
    assert values == {"a": pytest.approx([1, 0]), "b/hard": pytest.approx([0, 2]), "c": [7, 7]}
    build_reward("mixture", task.reward_args)
    inner = {"reward": "experts", "args": {"experts": {"x": parts["a"]}}}
    with pytest.raises(ValueError, match="cannot follow schedules"):
        build_reward("mixture", {"parts": {"a": inner}})
    with pytest.raises(ValueError, match="cannot follow schedules"):
        build_reward("rubric", {"components": {"m": {"reward": "mixture", "args": task.reward_args}}})


@given(st.floats(0, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_two_cosines_are_the_hand_over_of_the_objective(progress: float, first: float, second: float) -> None:
    ours = weighed(result(structure=first, answer=second), read_rubric(HANDOVER).components, {}, progress)
    components = {"structure": torch.tensor([first]), "answer": torch.tensor([second])}
    samples = SimpleNamespace(progress=progress, components=components)
    theirs = handover(torch.zeros(1, dtype=torch.float64), samples, first="structure", second="answer")
    assert ours.value == pytest.approx(float(theirs[0]), abs=1e-6)


def test_nothing_is_weighed_where_no_value_depends_on_the_step() -> None:
    assert weigh_of("math", {}) is None
    assert weigh_of("rubric", {"components": {"m": {"reward": "math", "weight": 2}}}) is None


MODEL = {"path": "m", "weight": 0.5}


def test_a_model_score_is_added_and_never_makes_correct() -> None:
    weigh = weigh_of("math", {}, model=RewardModelConfig(**MODEL))
    (weighted,) = weigh([result(reward_model=3.0)], 0)
    assert (weighted.value, weighted.correct, weighted.components) == (1.5, False, {"reward_model": 3.0})
    assert weigh([result(value=1.0)], 0)[0].value == 1.0  # the model was away


def test_a_model_may_be_scheduled_and_gated_by_a_rubric() -> None:
    args = {
        "components": {"math": {"reward": "math"}, "format": {"reward": "format", "weight": 0}},
        "correct": "math",
    }
    model = RewardModelConfig(**MODEL, schedule="cosine", gate="format")
    weigh = weigh_of("rubric", args, model=model)
    parts = [result(math=1.0, format=form, reward_model=2.0) for form in (0.0, 1.0)]
    assert [w.value for w in weigh(parts, 0)] == [1.0, 2.0]
    assert [w.value for w in weigh(parts, 2)] == [1.0, 1.5]
    assert [w.value for w in weigh(parts, 4)] == [1.0, 1.0]


@pytest.mark.parametrize("judged", [True, False])
@pytest.mark.parametrize("failure", list(Failure))
@pytest.mark.parametrize(("reward", "args"), [("rubric", HANDOVER), ("math", {})])
def test_a_sample_without_a_verdict_of_its_reward_stays_as_it_is(
    failure: Failure, judged: bool, reward: str, args: dict
) -> None:
    weigh = weigh_of(reward, args, model=RewardModelConfig(**MODEL))
    failed = replace(result(reward_model=9.0), reason="in words", failure=failure, judged=judged)
    assert weigh([failed], 1) == [failed]


def test_a_reason_that_sounds_like_a_failure_is_none() -> None:
    weigh = weigh_of("math", {}, model=RewardModelConfig(**MODEL))
    assert weigh([result(reason="timeout", reward_model=3.0)], 0)[0].value == 1.5


def test_whatever_is_not_judged_has_a_failure() -> None:
    assert RewardResult.unjudged("the judge is down").failure is Failure.UNDECIDED
    assert RewardResult(value=1.0, correct=True, judged=False).failure is Failure.UNDECIDED
    assert RewardResult(value=1.0, correct=True).failure is None


def test_a_sample_lost_with_its_process_is_worth_what_one_that_timed_out_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through the real pool and the scorer with a model that gives everybody 1.6, half of which counts."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "rewards"))

    class Model:
        async def score(self, prompt: str, texts: list[str]) -> list[float]:
            return [1.6 for _ in texts]

    async def values() -> list[RewardResult]:
        pool = VerifierPool("hostile:CommandReward", timeout_s=0.5, on_timeout="wrong")
        await pool.start()
        try:
            scorer = ModelScorer(pool, Model(), "reward_model")
            prompt = Prompt(id="p", text="q", token_ids=(1,), answer="42")
            return await scorer.score(prompt, ["wrong", "exit", "hang", "raise x", "none"], [False] * 5)
        finally:
            await pool.close()

    weigh = weigh_of("math", {}, model=RewardModelConfig(**MODEL))
    weighed = weigh(asyncio.run(values()), 0)
    assert [w.failure for w in weighed] == [
        None,
        Failure.CRASH,
        Failure.TIMEOUT,
        Failure.ERROR,
        Failure.NOT_APPLICABLE,
    ]
    assert [w.value for w in weighed] == [0.8, 0.0, 0.0, 0.0, 0.0]


def test_names_must_fit() -> None:
    with pytest.raises(
        ValueError, match=r"reward_model.component: the rubric has a component 'answer' already"
    ):
        weigh_of("rubric", HANDOVER, model=RewardModelConfig(**MODEL, component="answer"))
    with pytest.raises(
        ValueError, match=r"reward_model.gate: .* no component 'x'; use one of \['answer', 'structure'\]"
    ):
        weigh_of("rubric", HANDOVER, model=RewardModelConfig(**MODEL, gate="x"))


class Fleet:
    confirmed_version = 0

    async def generate(self, request: Any, *, timeout_s: float) -> list[Any]:
        completion = SimpleNamespace(
            finish_reason="stop", truncated=False, token_ids=torch.zeros(1, dtype=torch.int64)
        )
        return [completion for _ in request.seeds]

    async def abort(self, group_id: int) -> None:
        pass


class Scorer:
    async def score(self, prompt: Prompt, texts: Any, truncated: Any) -> list[RewardResult]:
        return [result(structure=1.0, answer=0.0) for _ in texts]


def test_a_group_that_is_drawn_again_gets_the_values_of_its_own_plan(tmp_path: Path) -> None:
    trace = TraceWriter(tmp_path / "trace.json")
    service = RolloutService(
        fleet=Fleet(),
        scorer=Scorer(),
        decode=lambda tokens: ["" for _ in tokens],
        group_timeout_s=5,
        max_issues=3,
        trace=trace,
        weigh=lambda prompt, results, step: weigh_of("rubric", HANDOVER)(results, step),
    )
    prompt = prompt_of("default")
    (state,) = new_groups(
        plan_step=2,
        refill_round=0,
        prompts=[prompt],
        num_rollouts=[3],
        max_tokens=[4],
        sampling=SamplingConfig(),
        run_seed=0,
    )
    first = asyncio.run(service.finish(state))
    state.reset()
    again = asyncio.run(service.finish(state))
    assert [r.result.value for r in first.rollouts] == pytest.approx([0.5] * 3)
    assert [r.result for r in again.rollouts] == [r.result for r in first.rollouts]


def test_a_group_without_the_reward_models_scores_is_not_judged() -> None:
    class Verdicts:
        async def score(self, prompt: Prompt, texts: list[str], truncated: list[bool]) -> list[RewardResult]:
            return [RewardResult(value=1.0, correct=True) for _ in texts]

    class Away:
        async def score(self, prompt: str, texts: list[str]) -> None:
            return None

    scorer = ModelScorer(Verdicts(), Away(), "model")
    results = asyncio.run(
        scorer.score(Prompt(id="p", text="q", token_ids=(1,), answer=""), ["a", "b"], [False, False])
    )
    assert results == [NOT_SCORED] * 2 and NOT_SCORED.failure is Failure.NO_SCORE
