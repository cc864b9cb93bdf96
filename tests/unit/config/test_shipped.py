"""Every YAML that ships composes and validates, and what is dumped loads again."""

import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from rl.config.algorithm import AlgorithmConfig
from rl.config.base import Section
from rl.config.compose import PACKAGED, config_groups, run_names
from rl.config.fields import leaf_paths, sections_of
from rl.config.learner import LearnerConfig
from rl.config.load import dump_config, load_as, load_config
from rl.config.roots import ROOTS, root_of
from rl.config.sections import ClusterConfig, RolloutConfig, StreamConfig
from rl.config.shown import fields_of, shown

GSM8K = ["task.train=data/train.jsonl", "task.test=data/test.jsonl"]
NEEDED = {"gsm8k": ["model.path=models/any", *GSM8K]}
"""What a shipped run leaves to its user."""
PRESET_NEEDS = {
    "task=mixture": ["task.parts.sums={kind: file, path: rows.jsonl}"],
    "model=path": ["model.path=models/any"],
    "task=gsm8k": GSM8K,
    "rollout=gpu": ["learner=gpu", "cluster=node8"],
    "learner=gpu": ["rollout=gpu", "cluster=node8"],
    "cluster=multinode": ["run.dir=/shared/runs"],
}
"""What else must be chosen beside a preset on top of quickstart."""


@pytest.mark.parametrize("name", run_names())
def test_every_run_composes_and_survives_a_round_trip(name: str, tmp_path) -> None:
    root = root_of(name)
    config = load_as(root, name, NEEDED.get(name, []))
    dumped = tmp_path / "dumped.yaml"
    dumped.write_text(dump_config(config))
    assert root_of(str(dumped)) is root
    assert load_as(root, str(dumped)) == config
    dumped.write_text(yaml.safe_dump(shown(config)))
    assert load_as(root, str(dumped)) == config, "what is left out is at its default"


def test_the_quickstart_is_printed_in_120_fields_of_which_every_one_is_in_use() -> None:
    config = load_config("quickstart")
    tree = shown(config)
    assert fields_of(tree) <= 120 and fields_of(tree) < fields_of(yaml.safe_load(dump_config(config))) - 50
    assert tree["learner"]["optimizer"] == "adamw" and "offload" not in tree["learner"]
    assert "gpu_memory_utilization" not in tree["rollout"] and "nodes" not in tree["cluster"]
    assert tree["algorithm"]["mask"] == {"name": "clip", "clip_low": 0.2, "clip_high": 0.28}
    set_here = shown(load_config("quickstart", ["stream.group_timeout_s=60", "algorithm.kl.coefficient=0.1"]))
    assert set_here["stream"]["group_timeout_s"] == 60 and set_here["algorithm"]["kl"]["estimator"] == "k3"


def _undocumented(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, info in section.model_fields.items():
        if not info.description:
            yield f"{prefix}{name}"
        for part in [info.annotation, *get_args(info.annotation)]:  # the items of a list too
            for inner in sections_of(part):
                yield from _undocumented(inner, f"{prefix}{name}.")


@pytest.mark.parametrize("command", sorted(ROOTS))
def test_every_field_says_what_it_is(command: str) -> None:
    assert set(_undocumented(ROOTS[command], "")) == set()
    assert "algorithm.shaping" in leaf_paths(ROOTS["train"])


@pytest.mark.parametrize(
    "section", [StreamConfig, RolloutConfig, LearnerConfig, AlgorithmConfig, ClusterConfig]
)
def test_limits_and_unread_fields_exist(section: type[Section]) -> None:
    assert section.LIMITS | section().unread <= section.model_fields.keys()


@pytest.mark.parametrize(
    "preset", [f"{group}={name}" for group, names in config_groups().items() for name in sorted(names)]
)
def test_every_preset_works_on_top_of_quickstart(preset: str) -> None:
    group, name = preset.split("=")
    config = load_config("quickstart", [preset, *PRESET_NEEDS.get(preset, [])])
    assert (PACKAGED / group / f"{name}.yaml").is_file()
    assert getattr(config, group) is not None


@pytest.mark.parametrize("module", ["rl.config.schema", "rl.config.load"])
def test_configuration_imports_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module}; print([m for m in ('torch', 'ray', 'vllm', 'deepspeed', 'transformers') if m"
        " in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
