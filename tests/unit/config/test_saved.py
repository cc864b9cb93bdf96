"""A config that a run of T2RL 0.1.0 kept means today what the same words mean."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rl.config.load import ConfigError, dump_config, load_config, validate
from rl.config.saved import in_todays_form

KEPT: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "data" / "of_0_1_0.yaml").read_text(encoding="utf-8")
)
BASE = KEPT.pop("base")
WORDS = {
    "muon wsd offload": [
        "learner.optimizer=muon",
        "learner.optimizer.muon_lr=0.02",
        "learner.schedule=wsd",
        "learner.schedule.decay_share=0.3",
    ],
    "uba": ["learner.schedule=uba", "learner.schedule.phi=3"],
    "power": ["learner.schedule=power", "learner.schedule.exponent=0.7", "learner.schedule.min_lr_ratio=0.1"],
    "kl adaptive": ["algorithm.kl.coefficient=0.01", "algorithm.kl.adaptive.target=0.1"],
    "dual clip": ["algorithm.mask=dual_clip", "algorithm.mask.dual_clip=3.0"],
    "mirror": ["algorithm.likelihood=mirror", "algorithm.likelihood.tau=0.2"],
}


@pytest.mark.parametrize("case", KEPT)
def test_a_kept_config_is_the_config_of_todays_words(case: str) -> None:
    tree = yaml.safe_load(dump_config(load_config("quickstart")))
    tree |= {section: BASE[section] | KEPT[case][section] for section in BASE}
    config = validate(in_todays_form(tree))
    meant = load_config("quickstart", WORDS.get(case, [f"algorithm={case}"]))
    assert (config.learner, config.algorithm) == (meant.learner, meant.algorithm)


def test_a_config_of_today_stays_as_it_is() -> None:
    tree = yaml.safe_load(dump_config(load_config("quickstart", ["algorithm=ppo"])))
    assert in_todays_form(tree) is tree


def test_only_a_runs_own_config_is_read_so(tmp_path: Path) -> None:
    tree = yaml.safe_load(dump_config(load_config("quickstart")))
    tree |= {section: BASE[section] for section in BASE}
    checkpoint = tmp_path / "run" / "checkpoints" / "step-00000002"
    checkpoint.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "run", checkpoint):
        (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(ConfigError, match=r"learner\.muon_lr: is now learner\.optimizer\.muon_lr"):
        load_config(str(tmp_path / "config.yaml"))
    (tmp_path / "run" / "attempts.jsonl").write_text("")
    for folder in (tmp_path / "run", checkpoint):
        assert load_config(str(folder / "config.yaml")).learner == load_config("quickstart").learner
