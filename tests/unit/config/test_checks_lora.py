"""Adapters that engines could not serve are refused before any actor starts."""

import pytest

from rl.config.load import ConfigError, load_config

ADAPTER = ["learner.lora.push=adapter"]
GPU = ["rollout=gpu", "learner=gpu", "cluster=node8"]

REFUSED = [
    ([*ADAPTER, "learner.lora.kind=dora"], "learner.lora.push: vLLM's LoRA runtime has no DoRA"),
    (
        [*ADAPTER, *GPU],
        "learner.lora.push: adapters travel by shm and object only, and rollout.weight_transfer=nccl",
    ),
    ([*ADAPTER, "learner.lora.r=513"], "learner.lora.r: vLLM's LoRA runtime serves ranks up to 512, not 513"),
    ([*ADAPTER, "learner.lora.target_modules=[q_proj,lm_head]"], "engines do not serve adapters of lm_head"),
    (
        [*ADAPTER, "learner.lora.target_modules=[model.embed_tokens]"],
        "engines do not serve adapters of model.embed_tokens",
    ),
    (["learner.lora.push=adaptor"], "learner.lora.push"),
    (
        ["learner.lora.dropout=0.1"],
        "learner.lora.dropout: with 0.1 the loss would see another policy than the one that was sampled",
    ),
]
ACCEPTED = [
    [*ADAPTER],
    [
        *ADAPTER,
        "learner.lora.kind=rslora",
        "learner.lora.r=512",
        "learner.zero_stage=3",
        "learner.num_ranks=2",
    ],
    [*ADAPTER, "learner.lora.target_modules=[q_proj,v_proj]", "rollout.backend=async"],
    [*ADAPTER, *GPU, "rollout.weight_transfer=shm"],
    [*ADAPTER, "rollout.weight_transfer=object"],
    # What engines could not serve may still be merged.
    ["learner.lora.kind=dora"],
    ["learner.lora.r=513", "learner.lora.target_modules=[q_proj,lm_head]"],
    ["learner.lora.r=8", *GPU],
]


@pytest.mark.parametrize(("overrides", "words"), REFUSED)
def test_adapters_that_cannot_be_served_are_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config("quickstart", overrides)
    assert words in str(error.value)


@pytest.mark.parametrize("overrides", ACCEPTED)
def test_adapters_that_can_are_accepted(overrides: list[str]) -> None:
    assert load_config("quickstart", overrides).learner.lora is not None


def test_weights_are_merged_unless_asked_otherwise() -> None:
    lora = load_config("quickstart", ["learner.lora.r=8"]).learner.lora
    assert lora is not None and (lora.push, lora.pushes_adapter) == ("merged", False)
