"""What the learner cannot combine is refused before any actor starts, naming the field and the fix."""

import pytest

from rl.config.load import ConfigError, load_config

GPU = ["rollout=gpu", "learner=gpu", "cluster=node8"]
MUON = ["learner.optimizer=muon"]
DILOCO = ["learner.sync=diloco", "learner.num_ranks=2"]

REFUSED = [
    (["learner.schedule=rexx"], "learner.schedule: 'rexx' is none of"),
    (["learner.schedule.phi=1"], "learner.schedule.phi: only learner.schedule=uba reads it"),
    (
        ["learner.schedule.exponent=1", "learner.schedule=wsd"],
        "learner.schedule.exponent: only learner.schedule=power reads it",
    ),
    (
        ["learner.schedule.decay_shape=sqrt"],
        "learner.schedule.decay_shape: only learner.schedule=wsd|power reads it",
    ),
    (
        ["learner.schedule=wsd", "learner.schedule.decay_share=0"],
        "learner.schedule.decay_share: input should be greater than 0",
    ),
    (
        ["learner.schedule=linear", "learner.warmup_steps=500"],
        "learner.warmup_steps: 500 leave nothing of run.steps",
    ),
    (["learner.optimizer.muon_lr=0.1"], "learner.optimizer.muon_lr: only learner.optimizer=muon reads it"),
    (
        [*MUON, "learner.zero_stage=2"],
        "learner.grad_clip: with learner.optimizer=muon at learner.zero_stage=2",
    ),
    (
        [*GPU, *MUON, "learner.zero_stage=2", "learner.grad_clip=0", "learner.offload.optimizer=cpu"],
        "learner.optimizer: muon has not been made to work",
    ),
    (["learner.offload.optimizer=cpu"], "learner.offload.optimizer: cpu takes memory off a GPU"),
    (
        [*GPU, "learner.zero_stage=0", "learner.offload.optimizer=cpu"],
        "cpu needs learner.zero_stage=1 or 2 or 3, not 0",
    ),
    (
        [*GPU, "learner.zero_stage=2", "learner.offload.parameters=cpu"],
        "cpu needs learner.zero_stage=3, not 2",
    ),
    (
        [*GPU, "learner.zero_stage=2", "learner.offload.optimizer=nvme", "learner.offload.path=/fast"],
        "learner.offload.optimizer: nvme needs learner.zero_stage=3, not 2",
    ),
    (
        [*GPU, "learner.offload.parameters=nvme"],
        "learner.offload.parameters: nvme needs learner.offload.path",
    ),
    ([*GPU, "learner.offload.path=/fast"], "learner.offload.path: only"),
    (
        ["learner.packing.sequence_parallel=2", "learner.num_ranks=2"],
        "learner.packing.sequence_parallel: only learner.packing=varlen reads it",
    ),
    (
        [*GPU, "learner.dtype=float32"],
        "learner.packing: varlen is packed flash attention, whose kernels know half precision only",
    ),
    (
        ["learner.deepspeed.zero_optimization.stage=3"],
        "learner.deepspeed.zero_optimization.stage: not here; set learner.zero_stage",
    ),
    (["learner.deepspeed.bf16.enabled=true"], "learner.deepspeed.bf16: not here; set learner.dtype"),
    (
        ["learner.deepspeed.optimizer.type=Adam"],
        "learner.deepspeed.optimizer: not here; set learner.optimizer",
    ),
    (["learner.deepspeed.train_batch_size=8"], "learner.deepspeed.train_batch_size: not here"),
    (
        ["learner.deepspeed.comunication_data_type=fp32"],
        "no such setting. Did you mean 'communication_data_type'?",
    ),
    (["learner.deepspeed.zero_optimization=3"], "learner.deepspeed.zero_optimization: 3 is no mapping"),
    ([*GPU, "learner.packing.sequence_parallel=2", "learner.packing=buckets"], "set that"),
    (
        [*GPU, "learner.packing.sequence_parallel=3"],
        "learner.packing.sequence_parallel: 3 does not divide learner.num_ranks=4",
    ),
    (["learner.sync=diloco"], "learner.sync: diloco is for replicas, and learner.num_ranks=1 has one"),
    (["learner.sync.every=4"], "learner.sync.every: only learner.sync=diloco reads it"),
    ([*DILOCO, "learner.zero_stage=1"], "learner.sync: with diloco every rank holds a model of its own"),
    ([*DILOCO, "learner.dtype=bfloat16"], "learner.sync: diloco moves float32 weights"),
    ([*GPU, "learner.sync=diloco"], "not by rollout.weight_transfer=nccl; use shm"),
    (
        [*DILOCO, "algorithm=ppo", "algorithm.advantage.critic=separate"],
        "learner.sync: a critic of its own would stay apart",
    ),
    (
        [*DILOCO, "algorithm.kl.coefficient=0.1", "algorithm.kl.adaptive.target=0.1"],
        "learner.sync: each replica would adapt a KL coefficient of its own",
    ),
    (
        [*DILOCO, "run.wall_clock_s=60"],
        "run.wall_clock_s: with diloco what was trained since the last exchange",
    ),
    ([*DILOCO, "run.rollout_token_budget=1000"], "run.rollout_token_budget: with diloco"),
    ([*DILOCO, "learner.sync.fragments=9"], "learner.sync.fragments: 9 parts do not each have a batch"),
    ([*DILOCO, "learner.sync.overlap=8"], "learner.sync.overlap: a part would still be under way"),
]


@pytest.mark.parametrize(
    ("overrides", "words"), REFUSED, ids=[f"{i}-{w.split(':')[0]}" for i, (_, w) in enumerate(REFUSED)]
)
def test_impossible_combinations_are_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config("quickstart", overrides)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "overrides",
    [
        MUON,
        [*MUON, "learner.zero_stage=3", "learner.grad_clip=0", "learner.optimizer.muon_lr=0.01"],
        [
            "learner.schedule=power",
            "learner.warmup_steps=5",
            "learner.schedule.exponent=1",
            "learner.schedule.decay_share=0.3",
        ],
        ["learner.schedule=uba", "learner.schedule.phi=5"],
        DILOCO,
        [*DILOCO, "learner.sync.fragments=8", "learner.sync.overlap=7", "learner.sync.bits=4"],
        [*GPU, "learner.offload.optimizer=cpu", "learner.offload.parameters=cpu"],
        [*GPU, "learner.zero_stage=1", "learner.offload.optimizer=cpu"],
        [*GPU, "learner.offload.parameters=nvme", "learner.offload.path=/fast"],
        [*GPU, "learner.packing.sequence_parallel=2"],
        [
            "learner.deepspeed.zero_optimization.zero_hpz_partition_size=8",
            "learner.deepspeed.communication_data_type=fp32",
        ],
        ["learner.deepspeed={zero_optimization:{stage3_prefetch_bucket_size:100000000}}"],
    ],
)
def test_what_should_work_is_accepted(overrides: list[str]) -> None:
    assert load_config("quickstart", overrides).run.name == "quickstart"
