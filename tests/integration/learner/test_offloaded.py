"""A learner that leaves its device between steps trains as one that stays, and keeps next to nothing
there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts

PPO = {
    "advantage": {"name": "gae", "critic": {"name": "separate", "lr": 1e-3}},
    "kl": {"coefficient": 0.1, "estimator": "k3", "place": "loss"},
}
LEFT = 0.02
"""Share of the state that may stay: tensors of a few numbers that belong to other things too."""


def trained(hosts: Hosts, *, offload: bool) -> tuple[list[Any], dict[str, np.ndarray], dict[str, float]]:
    """Three steps; with ``offload`` the ranks leave the device before each of them and come back."""
    results, moved = [], dict[str, float]()
    for step in range(3):
        if offload:
            moved = hosts.call("offload")
            assert hosts.call("offload") == moved, "leaving twice is leaving once"
            hosts.call("reload")
        results.append(hosts.call("train", make_batch(step)).metrics)
    return results, hosts.run("weights"), moved


@pytest.mark.parametrize(
    ("world", "config"),
    [
        (1, {"zero_stage": 0}),
        (1, {"zero_stage": 0, "dtype": "bfloat16"}),
        (1, {"zero_stage": 0, "lora": {"r": 4, "alpha": 8}}),
        (1, {"zero_stage": 0, "optimizer": "muon"}),
        (2, {"zero_stage": 2}),
        (2, {"zero_stage": 3}),
    ],
    ids=str,
)
def test_leaving_the_device_changes_no_number(
    hosts: Hosts, tiny_llama: Path, world: int, config: dict[str, Any]
) -> None:
    algorithm = None if "lora" in config else PPO
    hosts.build(tiny_llama, world=world, algorithm=algorithm, **config)
    expected, weights, _ = trained(hosts, offload=False)
    hosts.build(tiny_llama, world=world, algorithm=algorithm, **config)
    got, same, moved = trained(hosts, offload=True)
    timed = {key for key in expected[0] if key.endswith("_s")}
    for ours, theirs in zip(got, expected, strict=True):
        assert {k: v for k, v in ours.items() if k not in timed} == {
            k: v for k, v in theirs.items() if k not in timed
        }
    assert all(np.array_equal(weights[name], same[name]) for name in weights)
    assert moved["moved"] > 0
    assert moved["left"] <= LEFT * moved["moved"], moved
