"""Sections that do not fit together are refused before any actor starts, naming the field and the fix."""

import pytest

from rl.config.load import ConfigError, load_config

GPU = ["rollout=gpu", "learner=gpu", "cluster=node8"]
MULTI = [
    "rollout=gpu",
    "learner=gpu",
    "cluster=multinode",
    "rollout.weight_transfer=nccl",
    "run.dir=/shared/runs",
]
TURNS = ["cluster.colocated=true"]

REFUSED = [
    (["stream.max_staleness=1", "stream.pipeline_depth=2"], "stream.pipeline_depth: 2 plans ahead"),
    (["stream.max_staleness=0", "stream.rollover_share=0.1"], "stream.rollover_share"),
    (
        ["stream.prompts_per_step=3", "learner.updates_per_batch=4"],
        "stream.prompts_per_step: 3 groups are too few",
    ),
    *(
        (
            [f"algorithm={name}", "stream.rollouts_per_prompt=1"],
            "with 1 of them every advantage is 0: nothing would train",
        )
        for name in (
            "grpo",
            "dapo",
            "dr_grpo",
            "rloo",
            "max_rl",
            "reinforce_pp_baseline",
            "passk",
            "passk_chen",
            "gspo",
            "kimi",
        )
    ),
    (["curriculum=knapsack", "stream.rollouts_per_prompt=1"], "the allocator's floor of 2"),
    (["curriculum=knapsack", "stream.rollouts_per_prompt=129"], "the allocator's cap of 128"),
    (["curriculum=knapsack", "curriculum.allocator.args.flor=2"], "unexpected keyword argument 'flor'"),
    (
        ["curriculum.verdict={name: knapsack}", "curriculum.allocator={name: knapsack}"],
        "more than one allocator",
    ),
    (["rollout.max_tokens=128", "rollout.max_model_len=128"], "rollout.max_tokens: 128 leaves no room"),
    (["rollout.top_p=0.9"], "rollout.top_p"),
    (["evaluation.ks=[1,9]"], "pass@9 cannot be estimated from evaluation.samples_per_prompt=8"),
    (
        ["algorithm.importance=token"],
        "algorithm.importance: with algorithm.reference=behavior the ratio already corrects",
    ),
    (["algorithm.mask.clip_low=1.5"], "algorithm.mask.clip_low: 1.5 puts the ratio's floor at -0.5"),
    (["algorithm.token_band=[5,0.5]"], "algorithm.token_band: the bounds are crossed"),
    (["algorithm.sequence_band=[1.1,2]"], "algorithm.sequence_band: (1.1, 2) leaves out 1"),
    (
        ["algorithm.advantage.critic=separate"],
        "algorithm.advantage.critic: only algorithm.advantage=gae reads it",
    ),
    (["algorithm=ppo", "algorithm.advantage.critic=null"], "algorithm.advantage.critic: None is none of"),
    (["algorithm.kl.policy=copy"], "algorithm.kl.coefficient: missing"),
    (["algorithm.kl.coefficient=0"], "algorithm.kl.coefficient: at 0 a reference policy costs memory"),
    (
        ["algorithm.kl.coefficient=0.1", "algorithm.kl.estimator=k1"],
        "algorithm.kl.estimator: the gradient of k1 is 0",
    ),
    (
        ["algorithm.kl.coefficient=0.1", "algorithm.kl.policy=adapter_off"],
        "algorithm.kl.policy: adapter_off needs an adapter",
    ),
    (["algorithm.advantage.k=4"], "algorithm.advantage.k: only algorithm.advantage=passk|passk_s|"),
    (
        ["algorithm=passk", "algorithm.advantage.k=17"],
        "algorithm.advantage.k: pass@17 cannot be estimated from stream.rollouts_per_prompt",
    ),
    (
        ["algorithm=passk_s", "algorithm.advantage.k=12"],
        "algorithm.advantage.k: above half of stream.rollouts_per_prompt=16",
    ),
    (
        ["algorithm.shaping=[{name: overlon}]"],
        "algorithm.shaping[0].name: 'overlon' is unknown. Did you mean 'overlong'?",
    ),
    (["algorithm.shaping=[{name: trust}]"], "algorithm.shaping[0].args: trust needs 'component'"),
    (
        ["algorithm.shaping=[{name: overlong, args: {buffer_share: 0}}]"],
        "algorithm.shaping[0].args.buffer_share: 0",
    ),
    (["algorithm.shaping=[{name: overlong, args: {penalty: -1}}]"], "algorithm.shaping[0].args.penalty: -1"),
    (
        ["algorithm.shaping=[{name: overlong, args: {buffer: 1}}]"],
        "algorithm.shaping[0].args: overlong takes no 'buffer'",
    ),
    (
        ["algorithm=hpt", "curriculum=mixed"],
        "algorithm.demonstrations: curriculum.verdict=mixed drops the groups",
    ),
    (
        [
            "algorithm=brpo",
            "algorithm.advantage.budgets.tokens=[4,8]",
            "algorithm.kl.coefficient=0.1",
            "algorithm.kl.place=reward",
        ],
        "algorithm.kl.place: algorithm.advantage=brpo takes its rewards",
    ),
    (
        [
            "algorithm=brpo",
            "algorithm.advantage.budgets.tokens=[4,8]",
            "algorithm.shaping=[{name: overlong}]",
        ],
        "algorithm.shaping: algorithm.advantage=brpo takes its rewards",
    ),
    (
        ["algorithm=brpo", "algorithm.advantage.budgets.tokens=[8]"],
        "algorithm.advantage.budgets.tokens: [8] must be at least two rising numbers",
    ),
    (["learner.lora.r=0"], "learner.lora.r: input should be greater than 0"),
    (["algorithm.mask=dual_clip", "algorithm.mask.dual_clip=1.1"], "algorithm.mask.dual_clip"),
    (["rollout.dtype=float16"], "rollout.dtype: float16"),
    (["learner.packing=varlen"], "learner.packing: varlen"),
    (["rollout.weight_transfer=nccl"], "rollout.weight_transfer: nccl moves weights between GPUs"),
    (["rollout.weight_transfer=ipc"], "rollout.weight_transfer: ipc moves weights between GPUs"),
    (["rollout.tensor_parallel=2"], "rollout.tensor_parallel: 2 needs rollout.device=cuda"),
    (["rollout=gpu", "learner=gpu"], "cluster.gpus_per_engine: 0 GPUs, but rollout.device=cuda"),
    (
        ["cluster=node8", "rollout=cpu", "learner=cpu"],
        "cluster.gpus_per_engine: reserves 1 GPU(s), but rollout.device=cpu",
    ),
    (
        [*GPU, "rollout.tensor_parallel=2"],
        "cluster.gpus_per_engine: 1 does not match rollout.tensor_parallel=2",
    ),
    ([*GPU, "cluster.gpus_per_engine=2"], "cluster.gpus_per_engine: 2, but rollout.tensor_parallel=1"),
    ([*GPU, "cluster.gpus_per_learner=2"], "cluster.gpus_per_learner: 2, but a rank drives one GPU"),
    ([*GPU, "cluster=gpu1", "rollout.num_engines=2"], "cluster.name: gpu1 is one engine and one rank"),
    (
        [*GPU, "rollout.weight_transfer=ipc"],
        "rollout.weight_transfer: ipc needs engine and learner on the same GPU",
    ),
    ([*GPU, "cluster=gpu1", "rollout.weight_transfer=nccl"], "NCCL refuses two ranks on one GPU"),
    (
        ["rollout=gpu", "learner=gpu", "cluster=multinode", "rollout.weight_transfer=shm"],
        "shm is shared memory of one node",
    ),
    (
        ["cluster=multinode", "rollout=cpu", "learner=cpu", "rollout.weight_transfer=shm"],
        "cluster.nodes=2; use object\n",
    ),
    ([*MULTI, "cluster.address=null"], "cluster.address"),
    ([*MULTI, "run.dir=runs"], "run.dir: 'runs' is relative"),
    (["rollout.engine_args={dtype: auto}"], "rollout.engine_args.dtype: set rollout.dtype"),
    (
        [*MULTI, "cluster.learner_nodes=3"],
        "cluster.learner_nodes: 3 exceeds",
    ),
    (
        [
            *MULTI,
            "cluster.learner_nodes=2",
            "learner.num_ranks=5",
        ],
        "learner.num_ranks: 5 ranks do not divide",
    ),
    (["cluster.nodes=2", "rollout.weight_transfer=shm"], "cluster.nodes: 2 nodes need cluster=multinode"),
    ([*MULTI, "cluster.elastic=true"], "cluster.elastic: nccl moves weights in a group of engines"),
    (["cluster.elastic=true"], "cluster.elastic: engines can follow nodes with cluster=multinode only"),
    ([*GPU, "cluster.colocated=true"], "cluster.colocated: cluster=node8 gives engines and ranks devices"),
    (
        ["cluster=gpu1", "cluster.colocated=true"],
        "rollout.weight_transfer: ipc needs learner and engine on the device at the same time",
    ),
    (["cluster.engines_apart=1"], "cluster.engines_apart: without cluster.colocated"),
    ([*TURNS, "cluster.engines_apart=1"], "cluster.engines_apart: 1 of rollout.num_engines=1 leaves none"),
    ([*TURNS, "stream.inside_batch=true"], "stream.inside_batch: it trains while engines sample"),
    ([*TURNS, "evaluation.engines=1"], "evaluation.engines: they evaluate while the learner trains"),
    ([*TURNS, "rollout.kv_after_update=keep"], "rollout.kv_after_update: an engine that sleeps"),
    (
        [*TURNS, "cluster.sleep_level=2", "learner.lora={push: adapter}"],
        "cluster.sleep_level: at 2 an engine drops the base",
    ),
]


@pytest.mark.parametrize(
    ("overrides", "words"),
    REFUSED,
    ids=[words.split(":")[0] + str(i) for i, (_, words) in enumerate(REFUSED)],
)
def test_impossible_combinations_are_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config("quickstart", overrides)
    assert words in str(error.value)


ACCEPTED = [
    ["stream.max_staleness=2", "stream.pipeline_depth=1"],
    ["curriculum=knapsack", "stream.rollouts_per_prompt=2"],
    ["algorithm=grpo_tis"],
    ["algorithm=reinforce_pp", "stream.rollouts_per_prompt=1"],
    ["algorithm=ppo", "stream.rollouts_per_prompt=1"],
    ["learner.dtype=bfloat16", "rollout.dtype=bfloat16"],
    ["learner.dtype=autocast", "learner.packing=shared"],
    GPU,
    [*GPU, "rollout.weight_transfer=shm"],
    [*GPU, "rollout.weight_transfer=object"],
    [*MULTI, "rollout.weight_transfer=object"],
    ["rollout.weight_transfer=object", "evaluation.engines=1"],
    ["cluster=multinode", "rollout=cpu", "learner=cpu", "run.dir=/shared/runs", "cluster.nodes=3"],
    [*GPU, "cluster=gpu1", "rollout.num_engines=1", "learner.num_ranks=1", "rollout.weight_transfer=ipc"],
    [*GPU, "rollout.num_engines=2", "rollout.tensor_parallel=2", "cluster.gpus_per_engine=2"],
    [*TURNS, "stream.max_staleness=0", "learner.lora={push: adapter}"],
    ["cluster=colocated", "cluster.sleep_level=2"],
    ["cluster=colocated", "cluster.engines_apart=2", "rollout.num_engines=3"],
    [
        *MULTI,
        "cluster.nodes=4",
        "cluster.learner_nodes=2",
        "learner.num_ranks=16",
    ],
]


@pytest.mark.parametrize("overrides", ACCEPTED)
def test_what_should_work_is_accepted(overrides: list[str]) -> None:
    assert load_config("quickstart", overrides).run.name == "quickstart"


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        load_config("quickstart", ["stream.pipeline_depth=5", "rollout.top_p=0.5", "evaluation.ks=[99]"])
    assert len(str(error.value).splitlines()) == 3
