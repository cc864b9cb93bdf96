"""A rubric: several rewards, weighted, scheduled over the run and gated by one another."""

from collections.abc import Mapping
from typing import Any

from rewards import build_reward, timeout_of_parts
from rewards.golds import gold_texts
from rewards.rubric.spec import RubricSpec, read_rubric, refuse_schedules
from rewards.rubric.value import weighted_value
from rewards.user_functions.returned import ask
from rewards.verdicts import NOT_APPLICABLE
from rollout.types import Failure, Prompt, Reward, RewardResult


class RubricReward:
    """Every component's value, reported unweighted in ``components``, and their weighted sum.

    ``correct`` is what the component named ``correct`` says, ungated. The value is that of the start of a
    run; in training it follows the schedules (``rewards.rubric.value``). A component that does not apply to a
    prompt is left out; if the deciding one does not, or any component could not judge a sample, the sample is
    not judged.

    Args:
        components: name -> {reward, args, weight, schedule, gate}, or {experts, default, weight, ...}.
        correct: Component that decides what is correct; may be left out where only one can.

    Raises:
        ValueError: A field is wrong, a component cannot be built, or nothing (or too much) decides what is
            correct.
    """

    def __init__(self, **args: Any) -> None:
        self.spec = read_rubric(args)
        self._rewards = {name: _build(name, spec.source) for name, spec in self.spec.components.items()}
        self.correct = _deciding(self.spec, self._rewards)
        self.pure = all(getattr(reward, "pure", True) for reward in self._rewards.values())
        self.on_timeout = timeout_of_parts(
            (self.spec.components[name].source[0], one) for name, one in self._rewards.items()
        )

    def check(self, prompt: Prompt) -> None:
        """Let every component say what it misses of a prompt."""
        for name, reward in self._rewards.items():
            if hasattr(reward, "check"):
                try:
                    reward.check(prompt)
                except ValueError as error:
                    raise ValueError(f"rubric: components.{name}: {error}") from error

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text by every component."""
        results = {
            name: ask(reward, prompt, text, truncated=truncated) for name, reward in self._rewards.items()
        }
        for name, one in results.items():
            if not one.judged and one.failure is not Failure.NOT_APPLICABLE:
                return RewardResult.unjudged(
                    f"{one.reason} (component {name})", one.failure or Failure.UNDECIDED
                )
        if not results[self.correct].judged:
            return NOT_APPLICABLE
        components = {name: result.value for name, result in results.items() if result.judged}
        deciding = results[self.correct]
        value = weighted_value(components, self.spec.components, 0.0)
        return RewardResult(
            value=value, correct=deciding.correct, components=components, reason=deciding.reason
        )

    def gold_texts(self, prompt: Prompt) -> list[str]:
        """Those of the component that decides what is correct."""
        return gold_texts(self._rewards[self.correct], prompt, finished=False)


def _build(name: str, source: tuple[str, Mapping[str, Any]]) -> Reward:
    reward_name, args = source
    try:
        reward = build_reward(reward_name, args)
    except ValueError as error:
        raise ValueError(f"rubric: components.{name}: {error}") from error
    refuse_schedules(f"rubric: components.{name}", reward)
    return reward


def _deciding(spec: RubricSpec, rewards: Mapping[str, Reward]) -> str:
    judges = [name for name, reward in rewards.items() if not getattr(reward, "form_only", False)]
    if not judges:
        raise ValueError(
            f"rubric: components {sorted(rewards)} judge form only; add one that knows the answer, such as"
            " math"
        )
    if spec.correct is None and len(judges) > 1:
        raise ValueError(f"rubric: correct: name the component that decides what is correct, one of {judges}")
    chosen = spec.correct or judges[0]
    if chosen not in judges:
        raise ValueError(f"rubric: correct: {chosen!r} judges form only; name one of {judges}")
    return chosen


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1 with the default components."""
    return (
        Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4"),
        "<think>two and two</think><answer>4</answer>",
    )
