"""The contract of a task: what ships and the example keep it, and every check has a task that breaks it."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from examples.own_task import Doubling
from rewards import build_reward, check_reward
from rl.cli import app
from rl.tasks.base import Split, Task
from rl.tasks.contract import CHECKS, check_task
from rollout.contract import Finding
from rollout.types import Prompt

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = f"task={{kind: own, code: {ROOT / 'examples' / 'own_task.py'}:Doubling}}"
_CALLS = itertools.count()


class Tokens:
    chat_template = None

    def __call__(self, text: Any, *, add_special_tokens: bool = True) -> dict[str, Any]:
        return {"input_ids": [list(one.encode()) for one in text]}


class EmptyText(Doubling):
    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        return [replace(prompt, text=" ") for prompt in super().load(split, limit)]


class ListsOfTokens(Doubling):
    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        made = super().load(split, limit)
        return [replace(prompt, token_ids=list(prompt.token_ids)) for prompt in made]


class SetsInside(Doubling):
    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        return [replace(prompt, metadata={"seen": {1}}) for prompt in super().load(split, limit)]


class Overlapping(Doubling):
    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        return [replace(prompt, id=f"{split}/{prompt.id}") for prompt in super().load("train", limit)]


class Drifting(Doubling):
    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        return [replace(prompt, difficulty=next(_CALLS)) for prompt in super().load(split, limit)]


class FromTheEnd(Doubling):
    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        return super().load(split)[-(limit or 10**6) :]


class NothingToJudgeBy(Doubling):
    reward_name = "code"


BREAKS: list[tuple[type[Doubling], str]] = [
    (EmptyText, "prompts are well formed"),
    (ListsOfTokens, "prompts are well formed"),
    (SetsInside, "prompts are well formed"),
    (Overlapping, "splits are disjoint"),
    (Drifting, "same prompts every time"),
    (FromTheEnd, "a short list begins the long one"),
    (NothingToJudgeBy, "its reward takes its prompts"),
]


def findings_of(kind: type[Doubling], *, room: int = 99) -> list[Finding]:
    def judges(task: Task, prompts: Any) -> None:
        check_reward(build_reward(task.reward_name, task.reward_args), prompts)

    return check_task(
        lambda: kind(Tokens(), max_prompt_tokens=room), limit=40, max_prompt_tokens=room, check_reward=judges
    )


def test_a_sound_task_passes() -> None:
    assert [(one.check, one.problem) for one in findings_of(Doubling)] == [(name, "") for name in CHECKS]


@pytest.mark.parametrize(("kind", "check"), BREAKS)
def test_a_broken_task_fails_the_check_that_it_breaks(kind: type[Doubling], check: str) -> None:
    failed = {one.check: one.problem for one in findings_of(kind) if not one.passed}
    assert check in failed and len(failed[check]) > 20, failed


def test_every_check_has_a_task_that_breaks_it_and_prompts_must_fit() -> None:
    assert {check for _, check in BREAKS} == set(CHECKS)
    assert "do not fit into max_prompt_tokens=3" in findings_of(Doubling, room=3)[0].problem


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["tasks", "check", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["quickstart", "--prompts", "30"],
        ["gsm8k", f"task.path={ROOT / 'examples' / 'data' / 'gsm8k_mini.jsonl'}"],
        ["quickstart", "~task", EXAMPLE],
        ["quickstart", "~task", EXAMPLE, "task.args={highest: 99}"],
    ],
)
def test_the_command_passes_what_ships_and_the_example(arguments: list[str]) -> None:
    code, output = call(*arguments, "--json")
    assert code == 0, output
    findings = json.loads(output)["findings"]
    assert {one["check"] for one in findings} > set(CHECKS) and all(one["passed"] for one in findings)


def test_the_command_tells_a_broken_task_from_a_wrong_config(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from examples.own_task import Doubling\n\nclass One(Doubling):\n    reward_name = 'code'\n\n"
        "def nothing(tokenizer, max_prompt_tokens):\n    return 3\n"
    )
    code, output = call("quickstart", "~task", f"task={{kind: own, code: {file}:One}}")
    assert code == 1 and "FAIL  its reward takes its prompts" in output
    for text, message in (
        (f"{{kind: own, code: {file}:Two}}", "task.code is"),
        (f"{{kind: own, code: {file}:One, args: {{most: 3}}}}", "unexpected keyword argument 'most'"),
        (f"{{kind: own, code: {file}:One, args: {{highest: 3}}}}", "task.args.highest is 3"),
        (f"{{kind: own, code: {file}:nothing}}", "what it gives has no name, reward_name"),
    ):
        code, output = call("quickstart", "~task", f"task={text}")
        assert code == 2 and message in output, output
