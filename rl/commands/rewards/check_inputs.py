"""Collect what is checked: a task of a config, or a reward with rows of a file, as prompts and the reward
that judges them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.commands.rewards.rows import prompt_of
from rl.tasks.base import Split
from rollout.types import Prompt

ROOM = 10**9
"""Tokens; every prompt fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A reward and prompts that it is asked about."""

    name: str
    reward: str
    args: Mapping[str, Any]
    prompts: list[Prompt]
    """Empty where only labelled completions are looked at."""


class PlainTokenizer:
    """Stands in for the policy's: a reward sees text, so no model is needed to check one. Chats become their
    messages' text."""

    chat_template: Any = "messages with their content and tool_calls"

    def __call__(self, text: str | Sequence[str], *, add_special_tokens: bool = True) -> dict[str, Any]:
        """One token a text."""
        return {"input_ids": [0] if isinstance(text, str) else [[0] for _ in text]}

    def apply_chat_template(
        self,
        conversation: Any,
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        continue_final_message: bool = False,
    ) -> str:
        """The messages, one after the other."""
        return "\n".join(f"{message['content']}{message.get('tool_calls') or ''}" for message in conversation)


def of_task(name_or_file: str, overrides: list[str], split: Split, limit: int) -> list[Subject]:
    """The task of a config; of a mixture each part, since each has its own reward and form of answers.

    Raises:
        ValueError: The config, the task or its data are wrong, or a prompt lacks what the reward needs.
    """
    from rewards import build_reward, check_reward
    from rl.config.task_mixture import part_of
    from rl.tasks import build_task
    from rl.tasks.mixture import MixtureTask

    section = task_section(name_or_file, overrides)
    task = build_task(section, PlainTokenizer(), max_model_len=ROOM, max_tokens=1)
    prompts = task.load(split, limit)
    if not prompts:
        raise ValueError(f"task: the {split} split is empty; choose another one with --split")
    check_reward(build_reward(task.reward_name, task.reward_args), prompts)
    parts = task.parts if isinstance(task, MixtureTask) else {"": task}
    return [
        Subject(
            name=f"{name_or_file}{name and f', {name}'}, {split}",
            reward=part.reward_name,
            args=part.reward_args,
            prompts=prompts if part is task else part.load(split, limit),
        )
        for name, part in parts.items()
        if part is task or any(part_of(section, prompt.id) == name for prompt in prompts)
    ]


def task_section(name_or_file: str, overrides: list[str]) -> Any:
    """The task section of a config; its model need not be there. Errors as of :func:`checked_config`."""
    return checked_config(name_or_file, overrides).task


def checked_config(name_or_file: str, overrides: list[str]) -> Any:
    """A config with a task; its model need not be there.

    Raises:
        ValueError: The config is wrong or has no task.
    """
    from rl.config.load import load_as
    from rl.config.roots import root_of

    config: Any = load_as(
        root_of(name_or_file), name_or_file, [*overrides, *_model_unless_given(name_or_file, overrides)]
    )
    if getattr(config, "task", None) is None:
        raise ValueError(
            f"{name_or_file}: has no task; name a config of t2rl train, or give --reward and --rows"
        )
    return config


def _model_unless_given(name_or_file: str, overrides: list[str]) -> list[str]:
    """An override for configs that leave ``model.path`` to the command line; it is not looked at here."""
    from rl.config.compose import find_config, peek

    given = any(text.startswith(("model=", "model.path=")) for text in overrides)
    kind, path = peek(*find_config(name_or_file), "model.kind", "model.path")
    if given or kind != "path" or path is not None:
        return []
    return ["model.path=not-needed"]


def of_rows(reward: str, args: Mapping[str, Any], rows: Path | None, limit: int) -> Subject:
    """A reward, and the prompts of rows {answer, prompt, gold_completion, ...}: without completions.

    Raises:
        ValueError: The reward or a row is wrong, with file and line.
    """
    from rl.scorers.rules import check_of, rules_of
    from rl.tasks.rows import read_rows

    rules, prompts = rules_of(reward), []
    check = check_of(reward, args)
    for number, row in enumerate(read_rows(str(rows)) if rows else [], start=1):
        try:
            prompts.append(prompt_of(row.fields, number, rules.required))
            check(prompts[-1])
        except ValueError as error:
            raise ValueError(f"{row.where}: {error}") from error
    return Subject(name=rows.name if rows else reward, reward=reward, args=args, prompts=prompts[:limit])
