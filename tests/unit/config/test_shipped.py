"""Every YAML that ships composes and validates, and what is dumped loads again."""

import subprocess
import sys

import pytest

from rl.config.compose import PACKAGED, config_groups, run_names
from rl.config.load import dump_config, load_as, load_config
from rl.config.roots import root_of

GSM8K = ["task.train=data/train.jsonl", "task.test=data/test.jsonl"]
NEEDED = {"gsm8k": ["model.path=models/any", *GSM8K]}
"""What a shipped run leaves to its user."""
PRESET_NEEDS = {
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
