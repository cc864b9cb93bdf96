"""Settings that pass to DeepSpeed are read by its own classes, on a CPU, before any actor starts."""

from pathlib import Path

import pytest

from rl.config.learner import LearnerConfig
from rl.learner.deepspeed_setup import deepspeed_config
from rl.learner.preflight import check_options
from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts


@pytest.mark.parametrize(
    "options",
    [
        {"zero_optimization": {"zero_hpz_partition_size": 8, "stage3_prefetch_bucket_size": 100_000_000}},
        {
            "zero_optimization": {"zero_quantized_weights": True, "overlap_comm": False},
            "communication_data_type": "fp32",
        },
        {"wall_clock_breakdown": True, "comms_logger": {"enabled": True}, "prescale_gradients": True},
    ],
)
def test_what_deepspeed_knows_is_accepted(options: dict) -> None:
    check_options(deepspeed_config(LearnerConfig(zero_stage=3, deepspeed=options), num_parameters=1 << 20))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"zero_optimization": {"zero_hpz_partition": 8}},
            "DeepSpeed refuses zero_hpz_partition: Extra inputs",
        ),
        (
            {"zero_optimization": {"zero_hpz_partition_size": "many"}},
            "DeepSpeed refuses zero_hpz_partition_size: Input should be",
        ),
        ({"communication_data_type": "fp8"}, "Invalid communication_data_type"),
        ({"zero_optimization": {"mics_shard_size": 8}}, "MiCS ZeRO-3 sharding has been removed"),
    ],
)
def test_what_it_does_not_know_is_refused_by_name(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=f"learner.deepspeed: .*{words}"):
        check_options(
            deepspeed_config(LearnerConfig(zero_stage=3, deepspeed=options), num_parameters=1 << 20)
        )


def test_options_reach_the_engine_and_leave_the_curve(hosts: Hosts, tiny_llama: Path) -> None:
    options = {
        "communication_data_type": "fp32",
        "zero_optimization": {"stage3_prefetch_bucket_size": 100, "reduce_bucket_size": 256},
    }
    losses = []
    for world, stage, more in ((1, 0, {}), (2, 3, options)):
        hosts.build(tiny_llama, world=world, zero_stage=stage, deepspeed=more)
        losses.append([hosts.call("train", make_batch(seed)).metrics["loss/total"] for seed in range(2)])
    assert losses[1] == pytest.approx(losses[0], abs=3e-5)
