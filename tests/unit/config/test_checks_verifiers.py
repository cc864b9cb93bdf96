"""The verifiers section: what cannot work is said before anything starts, and what it leaves open suits the
reward."""

from pathlib import Path
from typing import Any

import pytest

from planner.verifiers.verifier import VerifierSpec
from rl.batch.planner_targets import PlannerLoop
from rl.cluster.ray_runtime import needed_cpus
from rl.config.load import ConfigError, load_config
from rl.scorers.verifiers import make_verifiers, pool_options
from rollout.statistics import StatisticsStore


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["verifiers.timeout_s=200"],
            "verifiers.timeout_s: 200 s for one completion do not fit into stream.group_timeout_s=120",
        ),
        (["verifiers.actors=2"], "verifiers.actors: only verifiers.placement=ray has actors"),
        (["verifiers.cpus=2"], "verifiers.cpus: only verifiers.placement=ray has actors"),
        (["verifiers.workers=0"], "verifiers.workers"),
        (["verifiers.placement=moon"], "verifiers.placement"),
    ],
)
def test_what_cannot_work_is_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        load_config("quickstart", overrides)


@pytest.mark.parametrize(
    ("reward", "args", "overrides", "timeout_s", "memory_mib"),
    [
        ("math", {}, [], 5.0, 4096),
        ("my.module:Mine", {}, [], 5.0, 4096),
        ("code", {}, [], 60.0, None),
        ("code", {}, ["stream.group_timeout_s=600"], 120.0, None),
        (
            "rubric",
            {"components": {"a": {"reward": "code"}, "b": "format"}},
            ["stream.group_timeout_s=600"],
            120.0,
            None,
        ),
        ("code", {}, ["verifiers.timeout_s=7", "verifiers.memory_mib=1000"], 7.0, 1000),
        ("math", {}, ["verifiers.memory_mib=0"], 5.0, None),
    ],
)
def test_limits_suit_the_reward(
    reward: str, args: dict[str, Any], overrides: list[str], timeout_s: float, memory_mib: int | None
) -> None:
    options = pool_options(load_config("quickstart", overrides), reward, args)
    assert (options["timeout_s"], options["memory_mib"]) == (timeout_s, memory_mib)


def test_actors_are_counted_among_the_cpus() -> None:
    alone = needed_cpus(load_config("quickstart"))
    assert needed_cpus(load_config("quickstart", ["verifiers.workers=4"])) == alone
    assert (
        needed_cpus(
            load_config(
                "quickstart", ["verifiers.placement=ray", "verifiers.actors=2", "verifiers.workers=4"]
            )
        )
        == alone + 8
    )


def test_every_setting_reaches_the_pool() -> None:
    config = load_config(
        "quickstart", ["verifiers.workers=3", "verifiers.recycle_after=7", "verifiers.cache=9"]
    )
    options = pool_options(config, "exact", {})
    assert (options["num_workers"], options["recycle_after"], options["cache"]) == (3, 7, 9)
    assert make_verifiers(config, "exact", {}).metrics()["reward/completions"] == 0.0


def test_the_planner_takes_measured_error_rates_from_a_file(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    chosen = ["algorithm=planner_loop", f"algorithm.advantage.planner.verifier_file={spec}"]
    with pytest.raises(ConfigError, match=r"algorithm\.advantage\.planner\.verifier_file: .*no such file"):
        load_config("quickstart", chosen)
    spec.write_text('{"fpr": 0.05, "tpr": 0.9, "wrong": 100}')
    config = load_config("quickstart", chosen).algorithm.planner
    assert config is not None
    loop = PlannerLoop(config, StatisticsStore([], sampling_key="k", discount=1.0), group_size=4, steps=10)
    assert loop.planner.posteriors.verifier == VerifierSpec(fpr=0.05, tpr=0.9)
    with pytest.raises(ConfigError, match="gives both rates"):
        load_config("quickstart", [*chosen, "algorithm.advantage.planner.verifier_fpr=0.1"])
