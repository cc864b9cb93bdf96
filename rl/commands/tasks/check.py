"""``t2rl tasks check``: the contract of a config's task and a look at its data, without a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rewards import build_reward, check_reward
from rl.commands.findings import report
from rl.commands.rewards.check_inputs import ROOM, PlainTokenizer, checked_config
from rl.commands.tasks.data_report import DataReport, data_report
from rl.commands.tasks.tokens import Facts
from rl.config.compose import run_names
from rl.config.overrides import spell
from rl.config.task_mixture import parts_of
from rl.tasks import Task, build_task
from rl.tasks.base import Split
from rl.tasks.contract import SPLITS, check_task
from rl.tasks.rows import HUB, READERS, is_saved_dataset, suffix_of
from rollout.types import Prompt

BASE = "quickstart"
"""The config that a data file is looked at in."""


def check_target(
    target: str,
    overrides: list[str],
    *,
    columns: Sequence[str],
    model: str | None,
    limit: int,
    as_json: bool,
) -> bool:
    """Print what the checks found; True if all passed.

    Args:
        target: A config, or data: a file, a folder, ``hf:NAME:SPLIT``.
        overrides: Of the config.
        columns: ``role=column``, short for ``task.columns.role=column``.
        model: Directory or name of the policy, for its tokenizer; None = the config's, if it is here.
        limit: Prompts of each split that the contract looks at.
        as_json: One object instead of lines.

    Raises:
        ValueError: The config or its task section is wrong, or it has no task.
    """
    given = [*overrides, *(_column(text) for text in columns)]
    rows = is_data(target)
    if rows:  # all of a file is train data, and every row that cannot be used is told
        source = spell({"kind": "file", "train": target, "on_error": "skip"})
        config = checked_config(BASE, ["~task", f"task={source}", *given])
    else:
        config = checked_config(target, given)
    section, facts = config.task, _facts(config, model)
    tokenizer = facts.tokenizer if facts else PlainTokenizer()

    def make() -> Task:
        return build_task(section, tokenizer, max_model_len=ROOM, max_tokens=1)

    task = make()
    findings = []
    if not rows or section.dev:
        findings = check_task(make, limit=limit, max_prompt_tokens=ROOM - 1, check_reward=_judges)
    broken = bool(findings) and not findings[0].passed
    looked = DataReport() if broken else _look(config, task, facts, limit=limit)
    if not as_json:
        _show(looked, target)
    return report(
        [*findings, *looked.findings],
        title=f"task {task.name} of {target}",
        facts={"task": task.name, "kind": section.kind, "prompts": limit, "data": looked.facts},
        as_json=as_json,
    )


def is_data(target: str) -> bool:
    """True for rows, as a file, a folder, a saved dataset or a name on the hub; a config is a name or a YAML
    file."""
    if target in run_names():
        return False
    path = Path(target)
    return target.startswith(HUB) or suffix_of(path) in READERS or path.is_dir() or is_saved_dataset(path)


def _look(config: Any, task: Task, facts: Facts | None, *, limit: int) -> DataReport:
    rollout = getattr(config, "rollout", None)
    room = rollout.max_model_len - rollout.max_tokens if rollout is not None else ROOM
    whole = all(part.kind != "own" for part in parts_of(config.task).values())
    splits: dict[Split, Sequence[Prompt]] = {}
    for split in SPLITS:
        try:
            splits[split] = task.load(split, None if whole else limit)
        except ValueError:
            if split == "train":
                raise
            splits[split] = ()
    seconds = max(getattr(part, "reference_check_s", 0.0) for part in parts_of(config.task).values())
    return data_report(config.task, task, splits, facts=facts, room=room, seconds=seconds)


def _facts(config: Any, model: str | None) -> Facts | None:
    """The tokenizer that was named, or that of the config's model where this is a directory that is here."""
    if model is not None:
        return Facts.of(model)
    chosen = config.model
    here = chosen.kind == "path" and (Path(chosen.path).expanduser() / "config.json").is_file()
    return Facts.of(chosen.path) if here else None


def _column(text: str) -> str:
    role, separator, column = text.partition("=")
    if not (role and separator and column):
        raise ValueError(f"--column {text}: write ROLE=NAME, such as --column prompt=question")
    return f"task.columns.{role}={column}"


def _show(looked: DataReport, target: str) -> None:
    table = Table.grid(padding=(0, 2))
    for name, text in looked.lines:
        table.add_row(name, escape(text))
    console = Console()
    console.print(f"data of [bold]{escape(target)}[/]", highlight=False)
    console.print(table)


def _judges(task: Task, prompts: Sequence[Prompt]) -> None:
    check_reward(build_reward(task.reward_name, task.reward_args), prompts)
