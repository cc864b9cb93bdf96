"""``t2rl config --explain``: every field says what it is, and a config says who set what."""

import json

import pytest
from typer.testing import CliRunner

from rl.cli import app
from rl.config.explain import explain
from rl.config.schema import Config
from rl.config.stages import DpoConfig, SftConfig

OF_A_RUBRIC = {
    f"reward_model.{name}"
    for name in ("weight", "schedule.kind", "schedule.end", "schedule.begin_at", "schedule.end_at")
} | {
    "reward_model.gate.component",
    "reward_model.gate.at_least",
}
"""Fields that a rubric's component has too: docs/rewards_components.md."""


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["config", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("root", [Config, SftConfig, DpoConfig])
def test_every_field_says_what_it_is(root: type) -> None:
    items = explain(root, "")
    assert len(items) > 50
    silent = {item.path for item in items if not item.text} - OF_A_RUBRIC
    assert silent == set(), "a docstring below each"
    assert all(item.kind for item in items)


def test_a_field_and_a_section() -> None:
    (field,) = explain(Config, "learner.lr")
    assert (field.kind, field.default, field.text) == ("number, above 0", "0.0004", "Peak rate of AdamW.")
    names = [item.path for item in explain(Config, "stream")]
    assert names[0] == "stream" and "stream.max_staleness" in names
    assert "learner.lr   number, above 0   default 0.0004\n" in shown("--explain", "learner.lr")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("run.steps", "whole number, at least 1"),
        ("stream.refill_rounds", "whole number, at least 0, at most 63"),
        ("rollout.device", "cpu | cuda"),
        ("rollout.cores", "list, each: whole number, or null"),
        ("algorithm.token_band", "list of two: number, above 0, or null"),
        ("evaluation.greedy", "true | false"),
        ("task.reward_args", "mapping"),
    ],
)
def test_types_in_words(path: str, kind: str) -> None:
    assert explain(Config, path)[0].kind == kind


def test_plug_ins_and_presets_are_named() -> None:
    assert {"math", "code", "ifeval"} <= set(explain(Config, "task.reward")[0].choices)
    assert {"knapsack", "cures"} <= set(explain(Config, "curriculum.allocator.name")[0].choices)
    assert "overlong" in explain(Config, "algorithm.shaping")[0].choices
    assert "algorithm=grpo" in explain(Config, "algorithm")[0].choices


def test_a_config_says_who_set_what(tmp_path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("defaults: [gsm8k, _self_]\nlearner: {lr: 2.0e-6}\n")
    rows = json.loads(
        shown(
            str(mine),
            "cluster=local",
            "run.steps=7",
            "--explain",
            "learner",
            "rollout",
            "run",
            "task",
            "--json",
        )
    )
    by = {row["path"]: (row.get("value"), row.get("set_by")) for row in rows}
    assert by["learner.lr"] == (2e-6, "mine.yaml")
    assert by["run.steps"] == (7, "command line")
    assert by["rollout.device"] == ("cpu", "cluster=local")
    assert by["rollout.max_tokens"] == (512, "gsm8k.yaml")
    assert by["task.columns.prompt"] == ("question", "task/gsm8k.yaml")
    assert by["rollout.top_p"] == (1.0, None)
    assert "here 7 (command line)" in shown("quickstart", "run.steps=7", "--explain", "run.steps")


def test_what_is_no_field_is_refused_with_the_nearest() -> None:
    result = CliRunner().invoke(app, ["config", "--explain", "learner.lrr"])
    assert result.exit_code == 2 and "Did you mean 'lr'?" in result.output
