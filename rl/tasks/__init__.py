"""Where prompts come from: generators, files, Hugging Face datasets, code outside the project
(``kind: own``), and mixtures of them.

A new kind of task is one module, one config section with its ``kind``, and one line in :data:`TASKS`.
"""

from collections.abc import Callable
from typing import Any

from rl.config.task import FileTaskConfig
from rl.config.task_mixture import MixtureTaskConfig, in_part
from rl.config.task_own import OwnTaskConfig
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.tasks.base import Split, Task, Tokenizer

__all__ = ["TASKS", "Split", "Task", "Tokenizer", "build_task"]


def _file(config: FileTaskConfig, tokenizer: Tokenizer, max_prompt_tokens: int) -> Task:
    from rl.tasks.files import FileTask

    return FileTask(config, tokenizer, max_prompt_tokens=max_prompt_tokens)


def _reasoning_gym(config: ReasoningGymTaskConfig, tokenizer: Tokenizer, max_prompt_tokens: int) -> Task:
    from rl.tasks.reasoning_gym import ReasoningGymTask

    return ReasoningGymTask(config, tokenizer, max_prompt_tokens=max_prompt_tokens)


def _own(config: OwnTaskConfig, tokenizer: Tokenizer, max_prompt_tokens: int) -> Task:
    from rl.tasks.own import own_task

    return own_task(config, tokenizer, max_prompt_tokens)


def _mixture(config: MixtureTaskConfig, tokenizer: Tokenizer, max_prompt_tokens: int) -> Task:
    from rl.tasks.mixture import MixtureTask

    parts: dict[str, Task] = {}
    for name, section in config.parts.items():
        tagged = section.model_copy(update={"thinking_tags": config.thinking_tags})
        try:
            parts[name] = TASKS[section.kind](tagged, tokenizer, max_prompt_tokens)
        except ValueError as error:
            raise ValueError(in_part(name, str(error))) from error
    return MixtureTask(config, tokenizer, parts)


TASKS: dict[str, Callable[[Any, Tokenizer, int], Task]] = {
    "file": _file,
    "reasoning_gym": _reasoning_gym,
    "own": _own,
    "mixture": _mixture,
}
"""``kind`` -> factory(config, tokenizer, max_prompt_tokens). Factories import their module late: a run needs
only one of them."""


def build_task(config: Any, tokenizer: Tokenizer, *, max_model_len: int, max_tokens: int) -> Task:
    """The task of a config section.

    Args:
        config: A task section; its ``kind`` picks the factory.
        tokenizer: A transformers tokenizer of the policy.
        max_model_len: ``rollout.max_model_len``, tokens.
        max_tokens: ``rollout.max_tokens``; what is left is for the prompt.

    Raises:
        ValueError: Unknown kind, no room for prompts, or a config that the task refuses.
    """
    if config.kind not in TASKS:
        raise ValueError(f"task.kind: {config.kind!r} is unknown; use one of {sorted(TASKS)}")
    if max_model_len <= max_tokens:
        raise ValueError(
            f"rollout.max_model_len ({max_model_len}) leaves no room for a prompt beside rollout.max_tokens"
            f" ({max_tokens})"
        )
    return TASKS[config.kind](config, tokenizer, max_model_len - max_tokens)
