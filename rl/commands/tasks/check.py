"""``t2rl tasks check``: the contract of a config's task, without a model."""

from collections.abc import Sequence

from rewards import build_reward, check_reward
from rl.commands.findings import report
from rl.commands.rewards.check_inputs import ROOM, PlainTokenizer, task_section
from rl.tasks import Task, build_task
from rl.tasks.contract import check_task
from rollout.types import Prompt


def check_config(name_or_file: str, overrides: list[str], *, limit: int, as_json: bool) -> bool:
    """Print what the checks found; True if all passed.

    Raises:
        ValueError: the config or its task section is wrong, or it has no task.
    """
    section = task_section(name_or_file, overrides)

    def make() -> Task:
        return build_task(section, PlainTokenizer(), max_model_len=ROOM, max_tokens=1)

    task = make()
    findings = check_task(make, limit=limit, max_prompt_tokens=ROOM - 1, check_reward=_judges)
    return report(
        findings,
        title=f"task {task.name} of {name_or_file}",
        facts={"task": task.name, "kind": section.kind, "prompts": limit},
        as_json=as_json,
    )


def _judges(task: Task, prompts: Sequence[Prompt]) -> None:
    check_reward(build_reward(task.reward_name, task.reward_args), prompts)
