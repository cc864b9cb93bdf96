"""A mixture: every part keeps its own columns, template and reward, and nothing of two parts is confused."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from rewards import build_reward
from rl.config.curriculum_slots import curriculum_slots
from rl.config.load import ConfigError, load_config
from rl.config.schema import Config
from rl.config.task_mixture import MixtureTaskConfig
from rl.config.tree import TaskConfig
from rl.run.fingerprint.config_fields import is_identity
from rl.run.fingerprint.config_values import identity_values
from rl.tasks import build_task
from rl.tasks.contract import check_task
from rl.tasks.mixture import MixtureTask
from tests.unit.tasks.test_references import check

Write = Callable[..., str]
READ: TypeAdapter[Any] = TypeAdapter(TaskConfig)


def parts(jsonl: Write) -> dict[str, Any]:
    """Two files with other columns, templates and rewards; the second without test data."""
    sums = [{"q": f"{i}+1", "a": i + 1, "kind": "even" if i % 2 == 0 else None} for i in range(40)]
    words = [{"prompt": f"word {i}", "answer": f"W{i}"} for i in range(4)]
    return {
        "sums": {
            "kind": "file",
            "path": jsonl(sums, "sums.jsonl"),
            "columns": {"prompt": "q", "answer": "a", "category": "kind"},
            "prompt_template": "{prompt}=",
            "dev_share": 0.3,
            "test_share": 0.3,
        },
        "words": {
            "kind": "file",
            "train": jsonl(words, "words.jsonl"),
            "dev": jsonl([{"prompt": "w", "answer": "X"}], "dev.jsonl"),
            "reward": "exact",
            "reward_args": {"ignore_case": True},
        },
    }


def mixture(jsonl: Write, tokenizer: Any, **changes: Any) -> MixtureTask:
    section = READ.validate_python({"kind": "mixture", "parts": parts(jsonl), **changes})
    task = build_task(section, tokenizer, max_model_len=164, max_tokens=64)
    assert isinstance(task, MixtureTask)
    return task


def test_ids_categories_templates_and_rewards_are_those_of_the_part(jsonl: Write, tokenizer: Any) -> None:
    task = mixture(jsonl, tokenizer)
    train = task.load("train")
    assert {p.category for p in train} == {"sums", "sums/even", "words"}
    assert all(p.text.endswith("=") == p.id.startswith("sums/") for p in train)
    assert len({p.id for p in train}) == len(train)
    reward = build_reward(task.reward_name, task.reward_args)
    word = next(p for p in train if p.category == "words")
    total = next(p for p in train if p.category == "sums/even")
    assert reward(word, word.answer.lower(), truncated=False).correct
    assert not reward(total, f"wrong {total.answer}0", truncated=False).correct
    assert reward(total, f"#### {total.answer}.0", truncated=False).correct, (
        "math reads numbers, exact does not"
    )
    assert not reward(word, f"#### {word.answer}", truncated=False).correct
    assert task.origin(word).endswith(f"words.jsonl:{int(word.answer[1:]) + 1}")


def test_held_out_prompts_are_even_over_the_parts_that_have_them(jsonl: Write, tokenizer: Any) -> None:
    task = mixture(jsonl, tokenizer)
    assert {p.category.partition("/")[0] for p in task.load("test")} == {"sums"}
    assert [p.category.partition("/")[0] for p in task.load("dev", 3)] == ["sums", "words", "sums"]
    assert task.load("dev", 3) == task.load("dev")[:3]


def test_train_prompts_take_turns_by_weight(jsonl: Write, tokenizer: Any) -> None:
    task = mixture(jsonl, tokenizer, weights={"sums": 2})
    assert [p.id[0] for p in task.load("train", 6)] == list("swssws")


def test_the_contract_is_kept_and_a_text_in_two_parts_splits_is_found(jsonl: Write, tokenizer: Any) -> None:
    def findings(**changes: Any) -> list[str]:
        found = check_task(
            lambda: mixture(jsonl, tokenizer, **changes),
            limit=30,
            max_prompt_tokens=100,
            check_reward=lambda task, prompts: None,
        )
        return [f"{one.check}: {one.problem}" for one in found if not one.passed]

    assert findings() == []
    shared = {
        **parts(jsonl),
        "again": {"kind": "file", "train": jsonl([{"prompt": "w", "answer": "X"}], "again.jsonl")},
    }
    assert findings(parts=shared) == ["splits are disjoint: train and dev share a text: 'w'"]


def test_errors_name_the_part_and_its_fields(jsonl: Write, tokenizer: Any) -> None:
    broken = parts(jsonl)
    broken["sums"]["columns"]["answer"] = "answers"
    with pytest.raises(ValueError, match=r"no column 'answers'.*set task\.parts\.sums\.columns\.answer"):
        mixture(jsonl, tokenizer, parts=broken).load("train")
    with pytest.raises(ValueError, match=r"set task\.parts\.a\.path=FILE"):
        READ.validate_python({"kind": "mixture", "parts": {"a": {"kind": "file"}}})
    with pytest.raises(ValueError, match=r"task\.weights names \['b'\], but the parts are \['a'\]"):
        READ.validate_python(
            {"kind": "mixture", "parts": {"a": {"kind": "reasoning_gym"}}, "weights": {"b": 1}}
        )
    with pytest.raises(ValueError, match="'a/b' is no name for a part"):
        READ.validate_python({"kind": "mixture", "parts": {"a/b": {"kind": "reasoning_gym"}}})
    with pytest.raises(ValueError, match=r"task\.parts\.words\.thinking_tags"):
        mixture(
            jsonl,
            tokenizer,
            parts={**parts(jsonl), "words": {**parts(jsonl)["words"], "thinking_tags": ["<a>", "</a>"]}},
        )


def test_a_list_in_yaml_is_a_mixture_by_the_sections_names() -> None:
    section = READ.validate_python(
        [{"kind": "file", "name": "a", "path": "x.jsonl"}, {"kind": "reasoning_gym"}]
    )
    assert isinstance(section, MixtureTaskConfig) and list(section.parts) == ["a", "reasoning_gym"]
    with pytest.raises(ValueError, match="two tasks of the list are named 'reasoning_gym'"):
        READ.validate_python([{"kind": "reasoning_gym"}, {"kind": "reasoning_gym"}])


def test_two_presets_on_the_command_line() -> None:
    both = ["task=[gsm8k,tiny]", "task.parts.gsm8k.path=rows.jsonl", "task.weights.tiny=3"]
    config = load_config("quickstart", both)
    assert isinstance(config.task, MixtureTaskConfig)
    assert config.task.parts["gsm8k"].kind == "file" and config.task.shares == {"gsm8k": 1.0, "tiny": 3.0}
    assert curriculum_slots(config)["sampler"] == {"name": "shares", "args": {"weights": config.task.shares}}
    assert curriculum_slots(load_config("quickstart", both[:2]))["sampler"] is None
    with pytest.raises(ConfigError, match=r"task\.weights: curriculum\.category says which prompts come"):
        load_config("quickstart", [*both, "curriculum=sec"])
    with pytest.raises(ConfigError, match=r"task\.parts\.gsm8k\.foo: no field"):
        load_config("quickstart", [*both, "task.parts.gsm8k.foo=1"])
    with pytest.raises(ConfigError, match="each comes once"):
        load_config("quickstart", ["task=[tiny,tiny]"])
    with pytest.raises(ConfigError, match="only curriculum presets stack, and only task presets mix"):
        load_config("quickstart", ["model=[tiny,nano]"])


def test_a_resume_compares_a_parts_settings_as_a_tasks_own(jsonl: Write) -> None:
    config = load_config("quickstart", ["task=[gsm8k,tiny]", "task.parts.gsm8k.path=rows.jsonl"])
    values = identity_values(config)
    assert values["task.parts.gsm8k.reward"] == "math" and "task.parts.tiny.levels" in values
    assert not is_identity("task.parts.gsm8k.path") and "task.parts.gsm8k.path" not in values


def test_each_parts_bad_references_have_that_parts_fate(jsonl: Write, tokenizer: Any) -> None:
    numbers = {"kind": "file", "reward": "tests.unit.tasks.reference_rewards:Numbers"}

    def made(name: str, *answers: str, **more: Any) -> dict[str, Any]:
        rows = [{"prompt": f"{name}{i}", "answer": answer} for i, answer in enumerate(answers)]
        return {**numbers, "train": jsonl(rows, f"{name}.jsonl"), **more}

    def config(**tasks: Any) -> Config:
        tree = {"task": {"kind": "mixture", "parts": tasks}, "model": {"kind": "recipe"}}
        return Config.model_validate({**tree, "stream": {"prompts_per_step": 2, "rollouts_per_prompt": 4}})

    a, b = made("a", "1", "2", "three"), made("b", "1", "2", "two", on_bad_reference="keep")
    found, left = check(config(a=a, b=b), tokenizer)
    assert sorted(left) == ["1", "1", "2", "2", "two"]
    assert "a.jsonl:3" in found.notes[0] and "1 of 3 rows" in found.notes[0]
    assert "1 are trained on all the same" in found.notes[1]
    with pytest.raises(ValueError, match=r"set task\.parts\.a\.on_bad_reference=keep"):
        check(config(a=made("a", "x", "y", "3"), b=b), tokenizer)
