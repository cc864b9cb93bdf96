"""The planner's loop: targets reach the objective, survive a checkpoint, and lead a policy where pass@k wants
it."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from rl.batch.planner_targets import PlannerLoop
from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig, PasskAdvantage, PlannerConfig
from rl.config.errors import ConfigError
from rl.config.load import load_config
from rl.objective.advantages import ADVANTAGES
from rl.objective.samples import Samples, Tokens
from rollout.statistics import StatisticsStore
from rollout.types import (
    Completion,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    RolloutStat,
    SamplingConfig,
    VersionSpan,
)

SAMPLING = SamplingConfig(max_tokens=10)
TOKENS = 10
CONTEXTS = np.array([0.4, 0.3, 0.2, 0.1])
"""Share of the prompts whose answer is 0, 1, 2, 3."""
NUM_PROMPTS = 200


def completion(version: int) -> Completion:
    return Completion(
        token_ids=np.zeros(TOKENS, dtype=np.int32),
        behavior_logprobs=np.zeros(TOKENS, dtype=np.float32),
        loss_mask=np.ones(TOKENS, dtype=bool),
        spans=(VersionSpan(0, TOKENS, version),),
        finish_reason=FinishReason.STOP,
    )


def group(
    prompt: str, correct: Any, *, version: int = 0, category: str = "c", group_id: int = 0
) -> RolloutGroup:
    made = completion(version)
    rollouts = [
        Rollout(completion=made, text="", result=RewardResult(value=float(c), correct=bool(c)))
        for c in correct
    ]
    return RolloutGroup(
        group_id=group_id,
        plan_step=version,
        prompt=Prompt(id=prompt, text="", token_ids=(1,), answer="", category=category),
        sampling=SAMPLING,
        rollouts=tuple(rollouts),
    )


def make(
    num_prompts: int = NUM_PROMPTS, *, steps: int = 100, **fields: Any
) -> tuple[PlannerLoop, StatisticsStore]:
    store = StatisticsStore([f"p{i}" for i in range(num_prompts)], sampling_key=SAMPLING.key)
    return PlannerLoop(PlannerConfig(**fields), store, group_size=16, steps=steps), store


def feed(store: StatisticsStore, groups: list[RolloutGroup]) -> None:
    for each in groups:
        store.add(RolloutStat.of(each, kept=True))


class Bandit:
    """Four answers, one policy for all prompts: the acceptance test of
    docs/methods/passk_training.md#the-loop.

    The best policy for pass@4 is (.394, .333, .236, .038), with pass@4 .7325; for pass@1 it is (1, 0, 0, 0),
    with pass@4 .4.
    """

    def __init__(self, loop: PlannerLoop | None, store: StatisticsStore, *, steps: int) -> None:
        self.rng = np.random.default_rng(0)
        self.answers = self.rng.choice(4, p=CONTEXTS, size=NUM_PROMPTS)
        self.logits = torch.zeros(4, dtype=torch.float64)
        self.loop, self.store, self.steps = loop, store, steps

    def train(self) -> np.ndarray:
        """The policy, averaged over the last quarter of the steps."""
        seen = []
        for step in range(self.steps):
            policy = torch.softmax(self.logits, 0)
            seen.append(policy.numpy())
            self._step(step, policy)
        return np.mean(seen[3 * self.steps // 4 :], axis=0)

    def _step(self, step: int, policy: torch.Tensor) -> None:
        prompts = self.rng.integers(0, NUM_PROMPTS, 8)
        drawn = self.rng.choice(4, p=policy.numpy() / policy.numpy().sum(), size=(8, 16))
        right = drawn == self.answers[prompts][:, None]
        groups = [
            group(f"p{i}", row, version=step, group_id=j)
            for j, (i, row) in enumerate(zip(prompts, right, strict=True))
        ]
        told = self.loop.annotate(groups) if self.loop else groups
        batch = TrainingBatch.from_groups(step, told, progress=0.0)
        samples = Samples(
            rewards=torch.from_numpy(right.reshape(-1).astype(np.float64)),
            correct=torch.from_numpy(right.reshape(-1)),
            segment_ids=torch.arange(8).repeat_interleave(16),
            lengths=torch.full((128,), TOKENS),
            truncated=torch.zeros(128, dtype=torch.bool),
            demonstration=torch.zeros(128, dtype=torch.bool),
            aux=batch.aux.map(torch.from_numpy),
            max_tokens=TOKENS,
        )
        config = AlgorithmConfig(advantage=PasskAdvantage())
        advantages = ADVANTAGES["passk"](samples, Tokens(sample=torch.arange(128)), config).advantages
        chosen = torch.nn.functional.one_hot(torch.from_numpy(drawn.reshape(-1)), 4).double()
        self.logits = self.logits + ((chosen - policy) * advantages[:, None]).sum(0) / 8
        feed(self.store, groups)
        if self.loop:
            self.loop.advance(step + 1)


def pass_at_4(policy: np.ndarray) -> float:
    return float(CONTEXTS @ (1 - (1 - policy) ** 4))


def test_the_loop_finds_the_budgets_k_and_the_policy_that_it_wants() -> None:
    loop, store = make(budget_tokens=40, warmup_steps=5, steps=800)
    policy = Bandit(loop, store, steps=800).train()
    assert loop.metrics()["planner/k/c"] == 4, "40 tokens buy four answers of ten"
    assert pass_at_4(policy) >= 0.72
    alone = Bandit(None, make()[1], steps=800).train()
    assert pass_at_4(alone) == pytest.approx(0.4, abs=0.03), "trained on pass@1 it bets on one answer"
    assert CONTEXTS @ alone > CONTEXTS @ policy, "which is better for a single sample: the price of the loop"


def test_categories_get_what_pays_and_a_batch_is_told() -> None:
    loop, store = make(budget_tokens=80, warmup_steps=0, every=1)
    for i in range(40):
        feed(
            store,
            [
                group(f"p{i}", [1] * 15 + [0], category="easy"),
                group(f"p{i + 40}", [1] + [0] * 15, category="hard"),
            ],
        )
    assert loop.k_of(group("p0", [1], category="easy")) == 1, "nothing is planned before a step was trained"
    loop.advance(1)
    easy, hard, unknown = loop.annotate(
        [
            group("p0", [1, 0], category="easy"),
            group("p199", [0, 0, 0], category="hard"),
            group("p198", [0], category="new"),
        ]
    )
    assert easy.aux.pass_k.tolist() == [loop.metrics()["planner/k/easy"]] * 2
    assert hard.aux.pass_k[0] > easy.aux.pass_k[0], (
        "a sample of a hard prompt is worth more after the first few"
    )
    assert unknown.aux.pass_k.tolist() == [1]
    assert hard.aux.posterior.shape == (3, 2) and easy.aux.posterior[0, 0] > easy.aux.posterior[0, 1]
    assert hard.aux.token_price.tolist() == [0, 0, 0], "length_price is off"


def test_tokens_are_charged_after_the_warm_up_at_the_plans_price() -> None:
    loop, store = make(budget_tokens=40, warmup_steps=0, every=1, length_price=True, price_warmup_steps=3)
    feed(store, [group(f"p{i}", [1, 0, 0, 0]) for i in range(20)])
    loop.advance(2)
    assert loop.annotate([group("p0", [1])])[0].aux.token_price[0] == 0
    loop.advance(3)
    charged = loop.annotate([group("p0", [1])])[0].aux.token_price[0]
    assert charged == loop.metrics()["planner/token_price"] > 0


def test_where_the_budget_buys_nothing_tokens_have_no_price(caplog) -> None:
    """Samples of ten tokens, five a query: the plan's price is infinite."""
    loop, store = make(budget_tokens=5, warmup_steps=0, every=1, length_price=True, price_warmup_steps=0)
    feed(store, [group(f"p{i}", [1, 0, 0, 0]) for i in range(20)])
    loop.advance(1)
    assert loop.metrics()["planner/token_price"] == 0 and "buys no sample" in caplog.text
    assert loop.annotate([group("p0", [1])])[0].aux.token_price.tolist() == [0]


def test_the_last_share_of_the_run_goes_back_to_pass_at_1() -> None:
    loop, store = make(budget_tokens=40, warmup_steps=0, every=1, anneal=0.2, steps=10)
    feed(store, [group(f"p{i}", [1, 0, 0, 0]) for i in range(20)])
    loop.advance(7)
    assert loop.metrics()["planner/k_max"] == 4
    loop.advance(8)
    assert loop.metrics()["planner/k_max"] == 1


def test_a_restored_loop_goes_on_as_the_first_one() -> None:
    first, store = make(budget_tokens=60, warmup_steps=0, every=2)
    batches = [
        [group(f"p{i + 10 * step}", [1] + [0] * (i % 5 + 1), version=step) for i in range(10)]
        for step in range(12)
    ]
    for step in range(7):
        feed(store, batches[step])
        first.advance(step + 1)
    second, other = make(budget_tokens=60, warmup_steps=0, every=2)
    other.load_state_dict(json.loads(json.dumps(store.state_dict())))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for step in range(7, 12):
        for loop, its in ((first, store), (second, other)):
            feed(its, batches[step])
            loop.advance(step + 1)
        assert first.metrics() == second.metrics()
    assert json.dumps(first.state_dict(), sort_keys=True) == json.dumps(second.state_dict(), sort_keys=True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["algorithm=grpo", "algorithm.advantage.planner.every=3"],
            "algorithm.advantage.planner: only algorithm.advantage=passk reads it",
        ),
        (["algorithm=planner_loop", "algorithm.advantage.k=4"], "algorithm.advantage.k: 4 is not read"),
        (
            [
                "algorithm=planner_loop",
                "algorithm.advantage.planner.verifier_fpr=0.9",
                "algorithm.advantage.planner.verifier_tpr=0.5",
            ],
            "verifier_fpr",
        ),
    ],
)
def test_impossible_configs_name_the_field(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("quickstart", overrides)
