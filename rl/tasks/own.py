"""A task from code outside the project."""

from collections.abc import Callable
from typing import Any

from rl.config.task_own import OwnTaskConfig
from rl.tasks.base import Task, Tokenizer
from rollout.user_code import resolve_function

NONE_SHIP: dict[str, Callable[..., Any]] = {}
NEEDS = ("name", "reward_name", "reward_args", "thinking_tags", "load")


def own_task(config: OwnTaskConfig, tokenizer: Tokenizer, max_prompt_tokens: int) -> Task:
    """The task that ``task.code`` makes.

    Raises:
        ValueError: there is no such code, it does not take ``task.args``, or what it gives is no task.
    """
    make: Callable[..., Any] = resolve_function("task.code", config.code, NONE_SHIP)
    try:
        task = make(tokenizer, max_prompt_tokens=max_prompt_tokens, **config.args)
    except TypeError as error:
        raise ValueError(f"task.code is {config.code!r}, with task.args {config.args}: {error}") from error
    missing = [name for name in NEEDS if not hasattr(task, name)]
    if missing:
        raise ValueError(
            f"task.code is {config.code!r}: what it gives has no {', '.join(missing)}; see rl.tasks.base.Task"
        )
    made: Task = task
    return made
