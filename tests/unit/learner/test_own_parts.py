"""Advantages, masks, likelihoods, schedules and optimizers from outside the project, by ``module:attr`` and
``file.py:attr``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rl.config.algorithm import AlgorithmConfig, ShapingConfig
from rl.config.choice import OwnCode
from rl.config.learner import LearnerConfig
from rl.config.load import load_config
from rl.learner.group import LearnerGroup
from rl.learner.optimizers import OPTIMIZERS, make_optimizer, resolve_optimizer
from rl.learner.schedules import SCHEDULES, lr_multiplier, resolve_schedule
from rl.learner.shape import run_shape
from rl.objective.advantages import ADVANTAGES, resolve_advantage
from rl.objective.likelihood import LIKELIHOODS, resolve_likelihood
from rl.objective.masks import MASKS, resolve_mask
from rl.objective.samples import Samples, Tokens
from rl.objective.terms import update_terms
from rl.run.prepare.own_parts import check_own_parts

OWN = "tests.unit.learner.own_parts"
KINDS: dict[str, tuple[Callable[[str], Any], dict[str, Any]]] = {
    "algorithm.advantage": (resolve_advantage, ADVANTAGES),
    "algorithm.mask": (resolve_mask, MASKS),
    "algorithm.likelihood": (resolve_likelihood, LIKELIHOODS),
    "learner.schedule": (resolve_schedule, SCHEDULES),
    "learner.optimizer": (resolve_optimizer, OPTIMIZERS),
}


@pytest.mark.parametrize("field", sorted(KINDS))
def test_names_are_looked_up_and_others_refused_with_field_and_choices(field: str) -> None:
    resolve, builtin = KINDS[field]
    for name, part in builtin.items():
        assert resolve(name) is part
    with pytest.raises(
        ValueError, match=f"{field} is 'nonsense': choose one of .*{min(builtin)}.*pkg.module:attr"
    ):
        resolve("nonsense")
    with pytest.raises(ValueError, match=f"{field} is 'no_such_package:x': No module named"):
        resolve("no_such_package:x")
    with pytest.raises(ValueError, match=f"{field} .* has no 'absent'"):
        resolve(f"{OWN}:absent")
    with pytest.raises(ValueError, match=f"{field} is .*: it must be a"):
        resolve(f"{OWN}:NOT_A_FUNCTION")


def test_an_advantage_of_a_users_own_reaches_the_update() -> None:
    samples = Samples(
        rewards=torch.tensor([1.0, 0.5]),
        correct=torch.tensor([True, False]),
        segment_ids=torch.tensor([0, 1]),
        lengths=torch.tensor([2, 1]),
        truncated=torch.zeros(2, dtype=torch.bool),
        demonstration=torch.zeros(2, dtype=torch.bool),
        max_tokens=4,
    )
    config = AlgorithmConfig(advantage=OwnCode(name=f"{OWN}:halved"))
    got = update_terms(samples, Tokens(sample=torch.tensor([0, 0, 1])), config)
    assert got.advantages.tolist() == [0.5, 0.5, 0.25]


def test_masks_and_likelihoods_of_a_users_own() -> None:
    ratio, advantages = torch.tensor([2.0, 2.0]), torch.tensor([1.0, -1.0])
    assert resolve_mask(f"{OWN}:only_rising")(ratio, advantages, AlgorithmConfig()).tolist() == [2, 1]
    assert resolve_likelihood(f"{OWN}:squared").without_advantage


def test_schedules_and_optimizers_of_a_users_own() -> None:
    own = LearnerConfig.model_validate({"schedule": f"{OWN}:stairs", "optimizer": f"{OWN}:plain_sgd"})
    multiplier = lr_multiplier(own, total_updates=5)
    assert [multiplier(update) for update in range(5)] == [1, 1, 0.5, 0.5, 0.5]
    optimizer = make_optimizer(torch.nn.Linear(2, 2), own)
    assert isinstance(optimizer, torch.optim.SGD) and optimizer.param_groups[0]["lr"] == own.lr


def test_ranks_get_files_by_absolute_paths_and_checkpoints_know_them_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("def f(*arguments): ...\n")
    monkeypatch.chdir(tmp_path)
    config = LearnerConfig(optimizer=OwnCode(name="mine.py:f"))
    shaping = (ShapingConfig(name="overlong"), ShapingConfig(name="mine.py:f"))
    algorithm = AlgorithmConfig(mask=OwnCode(name="mine.py:f"), shaping=shaping)
    group = LearnerGroup(
        config=config, algorithm=algorithm, model_path="", seed=0, total_steps=1, max_tokens=1
    )
    sent: dict[str, Any] = group._arguments
    assert sent["algorithm"].mask.name == sent["config"].optimizer.name == f"{tmp_path}/mine.py:f"
    assert (sent["algorithm"].advantage.name, sent["config"].schedule.name) == ("grpo", "constant")
    assert [part.name for part in sent["algorithm"].shaping] == ["overlong", f"{tmp_path}/mine.py:f"]
    shapes = [run_shape(one, algorithm, world_size=1) for one in (config, sent["config"])]
    assert shapes[0] == shapes[1]


def test_a_run_is_refused_before_it_starts_where_its_own_code_is_missing() -> None:
    parts = {"learner.schedule": "stairs", "learner.optimizer": "plain_sgd", "algorithm.mask": "only_rising"}
    check_own_parts(load_config("debug", [f"{field}={OWN}:{name}" for field, name in parts.items()]))
    check_own_parts(load_config("debug"))
    shaping = f"algorithm.shaping=[{{name: '{OWN}:absent'}}]"
    for field, override in {**{f: f"{f}={OWN}:absent" for f in KINDS}, "algorithm.shaping": shaping}.items():
        with pytest.raises(ValueError, match=f"{field} is .* has no 'absent'"):
            check_own_parts(load_config("debug", [override]))
