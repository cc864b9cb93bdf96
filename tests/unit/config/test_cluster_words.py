"""``cluster=`` on the command line chooses the devices, number formats and transport of the place, and
nothing else."""

import pytest

from rl.config import cluster_words
from rl.config.load import ConfigError, dump_config, load_config, preview
from rl.config.schema import Config
from rl.config.stages import DpoConfig

GSM8K = ["model.path=models/any", "task.path=rows.jsonl"]


def test_local_is_a_whole_cpu_run_and_keeps_the_experiment() -> None:
    config = load_config("gsm8k", [*GSM8K, "cluster=local"])
    assert (config.rollout.device, config.learner.device, config.cluster.gpus_per_engine) == ("cpu", "cpu", 0)
    assert (config.rollout.dtype, config.rollout.weight_transfer, config.rollout.backend) == (
        "float32",
        "shm",
        "inprocess",
    )
    assert (config.learner.packing.name, config.learner.gradient_checkpointing) == ("buckets", False)
    assert (config.rollout.max_tokens, config.learner.lr, config.stream.prompts_per_step) == (
        512,
        1e-6,
        64,
    ), "its own settings"


@pytest.mark.parametrize("cluster", ["gpu1", "node8", "multinode"])
def test_a_gpu_place_makes_a_cpu_config_a_gpu_run(cluster: str) -> None:
    config = load_config("quickstart", [f"cluster={cluster}", "run.dir=/shared/runs"])
    assert (config.rollout.device, config.learner.device, config.learner.dtype) == (
        "cuda",
        "cuda",
        "bfloat16",
    )
    assert config.rollout.weight_transfer == ("ipc" if cluster == "gpu1" else "nccl")


def test_several_nodes_without_a_gpu_are_said_in_three_words() -> None:
    words = ["cluster=multinode", "rollout=cpu", "learner=cpu", "run.dir=/shared/runs"]
    config = load_config("quickstart", words)
    assert (config.rollout.device, config.learner.device, config.rollout.weight_transfer) == (
        "cpu",
        "cpu",
        "object",
    )
    assert (config.cluster.gpus_per_engine, config.cluster.gpus_per_learner) == (0, 0)
    assert config.rollout.cores is config.learner.cores is None
    assert load_config("quickstart", [*words, "rollout.cores=[3]"]).rollout.cores == (3,)


def test_colocated_is_one_gpu_in_turns_with_all_of_it_for_each() -> None:
    config = load_config("quickstart", ["cluster=colocated", "rollout.num_engines=1"])
    assert (config.cluster.name, config.cluster.colocated, config.cluster.sleep_level) == ("gpu1", True, 1)
    assert (config.rollout.weight_transfer, config.rollout.gpu_memory_utilization) == ("shm", 0.85)
    assert not load_config("quickstart", ["cluster=colocated", "cluster=local"]).cluster.colocated


def test_every_field_exists_and_every_place_has_a_preset() -> None:
    for group, fields in cluster_words.FIELDS.items():
        assert set(fields) <= set(type(Config.model_fields[group].default).model_fields)
    assert {"local", "gpu1", "node8", "multinode", "colocated"} == set(cluster_words.DEVICE_OF)


def test_what_else_the_user_says_wins_over_what_is_implied() -> None:
    config = load_config(
        "gsm8k",
        [
            *GSM8K,
            "rollout.num_threads=8",
            "cluster=local",
            "learner.dtype=bfloat16",
            "rollout.probe_tolerance=.1",
        ],
    )
    assert (config.rollout.num_threads, config.learner.dtype) == (8, "bfloat16")


def test_a_config_that_is_there_already_is_left_alone(tmp_path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("defaults: [quickstart, _self_]\nrollout: {num_engines: 2, cores: null}\n")
    assert load_config(str(mine), ["cluster=local"]) == load_config(str(mine))


def test_a_dumped_gpu_run_moves_to_the_cpu(tmp_path) -> None:
    dumped = tmp_path / "config.yaml"
    dumped.write_text(dump_config(load_config("gsm8k", GSM8K)))
    assert load_config(str(dumped), ["cluster=local"]) == load_config("gsm8k", [*GSM8K, "cluster=local"])


def test_a_stage_has_no_learner_and_takes_the_rest() -> None:
    text, _ = preview(DpoConfig, "dpo_quickstart", ["cluster=gpu1"])
    assert "device: cuda" in text and "\nlearner:" not in text


def test_a_contradiction_of_the_users_own_is_said_once_for_each_half() -> None:
    with pytest.raises(ConfigError) as error:
        load_config("gsm8k", [*GSM8K, "rollout=cpu", "learner=cpu"])
    message = str(error.value)
    assert (
        message.count("rollout.weight_transfer") == 1 and "cluster=local" in message and "nccl" not in message
    )
