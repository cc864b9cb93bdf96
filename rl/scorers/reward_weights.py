"""Weigh a group's reward components for the step that trains it, once, when the group is finished.

Verifiers are pure functions of prompt and text, so they cannot know the step. The controller does: a group
belongs to plan s, and a group drawn again after a loss or a resume belongs to the same one, so its values are
the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rewards.mixture import SEPARATOR
from rewards.rubric.spec import Weight, read_rubric
from rewards.rubric.value import weighted_value
from rollout.types import Prompt, RewardResult

if TYPE_CHECKING:
    from rl.config.schema import Config
    from rl.tasks import Task

Weigh = Callable[[Prompt, Sequence[RewardResult], int], list[RewardResult]]
"""(prompt, results of its group, plan step) -> the same with the values of that step."""


def make_weigh(config: "Config", task: "Task") -> Weigh | None:
    """The weights of the task's rubric (in a mixture: of each part's own) and of the reward model; None where
    values never depend on the step.

    Raises:
        ValueError: The reward model's component or gate does not fit a rubric's components.
    """
    mixed = task.reward_name == "mixture"
    parts = dict(task.reward_args.get("parts") or {}) if mixed else {}
    whole = _rubric(task.reward_name, task.reward_args)
    rubrics = {name: _rubric(*_reward_of(part)) for name, part in parts.items()}
    model = config.reward_model
    weights = [weight for rubric in (whole, *rubrics.values()) for weight in rubric.values()]
    if model is None and all(weight.schedule.kind == "constant" for weight in weights):
        return None
    extra: dict[str, Weight] = {} if model is None else {model.component: model}
    for rubric in filter(None, (whole, *rubrics.values())):
        _check(rubric, extra)
    steps = config.run.steps

    def weigh(prompt: Prompt, results: Sequence[RewardResult], step: int) -> list[RewardResult]:
        rubric = rubrics[prompt.category.partition(SEPARATOR)[0]] if mixed else whole
        return [weighed(result, rubric, extra, step / steps) for result in results]

    return weigh


def _rubric(reward: str, args: Mapping[str, Any]) -> Mapping[str, Weight]:
    return read_rubric(args).components if reward == "rubric" else {}


def _reward_of(part: Any) -> tuple[str, Mapping[str, Any]]:
    """Name and arguments of a mixture's part, which may be a name alone."""
    return (part, {}) if isinstance(part, str) else (part["reward"], part.get("args") or {})


def _check(rubric: Mapping[str, Weight], extra: Mapping[str, Weight]) -> None:
    for name, weight in extra.items():
        if name in rubric:
            raise ValueError(
                f"reward_model.component: the rubric has a component {name!r} already; give the model another"
                " name"
            )
        if weight.gate is not None and weight.gate.component not in rubric:
            raise ValueError(
                f"reward_model.gate: the rubric has no component {weight.gate.component!r}; use one of"
                f" {sorted(rubric)}"
            )


def weighed(
    result: RewardResult, rubric: Mapping[str, Weight], extra: Mapping[str, Weight], progress: float
) -> RewardResult:
    """One result at a share of the run.

    Args:
        result: With unweighted components.
        rubric: Weights that make the whole value; empty if the reward is no rubric, whose value stays then.
        extra: Weights of components that are added to it.
        progress: Share of the run that is over, 0 to 1.

    A sample without a verdict of the reward's own, however that came about, stays as it is, whatever the
    model says.
    """
    if result.failure is not None:
        return result
    base = weighted_value(result.components, rubric, progress) if rubric else result.value
    return replace(result, value=base + weighted_value(result.components, extra, progress))
