"""A step whose batch comes in parts: the gradient of the whole batch, against plain float64 torch, and the
same report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from rl.batch.types import StepResult, TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.context import Progress, StepContext
from rl.learner.models import Models
from rl.learner.step import train_on_batch
from rl.learner.streamed import StreamedStep
from rl.learner.whole_batch import needs_whole_batch
from rl.objective.advantages import ADVANTAGES
from rl.objective.contract.advantage import DECLARED

VOCAB = 50
MAX_TOKENS = 32


@pytest.fixture(scope="module", autouse=True)
def one_process() -> Iterator[None]:
    """The reductions of a step, over a group of one."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


class TableEngine:
    """ZeRO-0 around log-probs from one float64 table [V, V], in place of DeepSpeed around a model."""

    device = torch.device("cpu")
    basic_optimizer = SimpleNamespace(param_groups=[])
    optimizer = SimpleNamespace()

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        table = torch.randn(VOCAB, VOCAB, generator=generator, dtype=torch.float64)
        self.module = torch.nn.ParameterList([torch.nn.Parameter(table)])
        self.backwards = 0
        self.stepped_on: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, *arguments: Any) -> torch.Tensor:
        _, _, select, targets, *_ = arguments
        logits = self.module[0][input_ids].flatten(0, 1)[select]
        return logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]

    def backward(self, loss: torch.Tensor, *, scale_wrt_gas: bool) -> None:
        self.backwards += 1
        loss.backward()

    def step(self) -> None:
        self.stepped_on.append(self.module[0].grad.clone())
        self.zero_grad()

    def zero_grad(self) -> None:
        self.module[0].grad = None

    def get_lr(self) -> list[float]:
        return [1e-3]

    def get_global_grad_norm(self) -> None:
        return None

    def zero_optimization_stage(self) -> int:
        return 0

    def buffered_allreduce_fallback(self) -> None:
        return None

    def train(self) -> None:
        return None

    def eval(self) -> None:
        return None


class TableReference:
    """A frozen reference policy."""

    def __init__(self) -> None:
        self.engine = TableEngine()

    def __call__(self, micro: Any, temperature: float) -> torch.Tensor:
        with torch.no_grad():
            return self.engine(*micro.for_logprobs(temperature)) * 0.9


def context(**algorithm: Any) -> StepContext:
    return StepContext(
        config=LearnerConfig(micro_batch_tokens=40),
        algorithm=AlgorithmConfig(**algorithm),
        rank=0,
        world_size=1,
        max_tokens=MAX_TOKENS,
        records="tokens",
    )


def in_parts(
    batch: TrainingBatch, parts: Sequence[Sequence[int]], of_step: StepContext, reference: Any = None
) -> tuple[TableEngine, StepResult, Progress]:
    engine, progress = TableEngine(), Progress(kl_coefficient=0.1)
    step = StreamedStep(Models(engine=engine, critic=None, reference=reference), of_step, progress)
    for groups in parts:
        step.add(cut(batch, groups))
    return engine, step.complete(batch), progress


def whole(
    batch: TrainingBatch, of_step: StepContext, reference: Any = None
) -> tuple[TableEngine, StepResult, Progress]:
    engine, progress = TableEngine(), Progress(kl_coefficient=0.1)
    models = Models(engine=engine, critic=None, reference=reference)
    return engine, train_on_batch(models, batch, of_step, progress), progress


def cut(batch: TrainingBatch, groups: Sequence[int]) -> TrainingBatch:
    """Whole groups of a batch as a batch of their own."""
    samples = np.concatenate([np.flatnonzero(batch.segment_ids == group) for group in groups])
    tokens = np.concatenate([np.arange(batch.offsets[s], batch.offsets[s + 1]) for s in samples])
    sizes = [int((batch.segment_ids == group).sum()) for group in groups]
    per_token = ("token_ids", "loss_mask", "behavior_logprobs", "token_versions")
    per_sample = ("prompt_lens", "rewards", "correct", "truncated", "demonstration")
    return replace(
        batch,
        offsets=np.concatenate([[0], np.cumsum(np.diff(batch.offsets)[samples])]),
        segment_ids=np.repeat(np.arange(len(groups)), sizes).astype(np.int32),
        group_ids=batch.group_ids[list(groups)],
        **{name: getattr(batch, name)[tokens] for name in per_token},
        **{name: getattr(batch, name)[samples] for name in per_sample},
    )


@pytest.fixture
def batch(random_batch: Callable[..., TrainingBatch]) -> TrainingBatch:
    """Five groups of 2 to 5 samples, the first of equal rewards; some tokens without a behaviour log-prob."""
    made = random_batch(3, samples=17)
    logprobs = np.where(made.loss_mask, -np.log(VOCAB) + 0.2 * np.sin(np.arange(len(made.loss_mask))), 0)
    logprobs[np.flatnonzero(made.loss_mask)[[5, 60]]] = np.nan
    segments = np.repeat(np.arange(5), [3, 2, 5, 4, 3]).astype(np.int32)
    rewards = np.where(segments == 0, 1.0, np.arange(17) % 2).astype(np.float32)
    return replace(
        made,
        behavior_logprobs=logprobs.astype(np.float32),
        segment_ids=segments,
        rewards=rewards,
        group_ids=np.array([10, 11, 12, 13, 14]),
    )


def oracle(batch: TrainingBatch, aggregation: str, group_weight: str) -> torch.Tensor:
    """GRPO's gradient by the formulas, token after token: no micro-batch, no part, no code of the learner."""
    table = TableEngine().module[0]
    usable = batch.loss_mask & np.isfinite(batch.behavior_logprobs)
    counts = np.add.reduceat(usable, batch.offsets[:-1], dtype=np.int64)
    loss = torch.zeros((), dtype=torch.float64)
    for sample, group in enumerate(batch.segment_ids):
        rewards = batch.rewards[batch.segment_ids == group].astype(np.float64)
        spread = rewards.std(ddof=1)
        advantage = 0.0 if spread == 0 else (batch.rewards[sample] - rewards.mean()) / (spread + 1e-4)
        weight = {
            "token": 1 / counts.sum(),
            "sequence": 1 / (len(counts) * max(counts[sample], 1)),
            "dr_grpo": 1 / (len(counts) * MAX_TOKENS),
        }[aggregation]
        if group_weight == "prompt":
            weight *= len(counts) / len(batch.group_ids) / len(rewards)
        for place in range(batch.offsets[sample] + 1, batch.offsets[sample + 1]):
            if usable[place]:
                logits = table[int(batch.token_ids[place - 1])]
                logprob = logits.log_softmax(-1)[int(batch.token_ids[place])]
                ratio = (logprob - float(batch.behavior_logprobs[place])).exp()
                bounded = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.28) * advantage)
                loss = loss - weight * bounded
    loss.backward()
    assert table.grad is not None
    return table.grad


@pytest.mark.parametrize("group_weight", ["sample", "prompt"])
@pytest.mark.parametrize("aggregation", ["token", "sequence", "dr_grpo"])
def test_parts_in_any_order_step_on_the_gradient_of_the_whole_batch(
    batch: TrainingBatch, aggregation: str, group_weight: str
) -> None:
    expected = oracle(batch, aggregation, group_weight)
    of_step = context(aggregation=aggregation, group_weight=group_weight)
    for parts in ([[0, 1, 2, 3, 4]], [[3], [0], [4, 1], [2]], [[2, 1], [4, 3, 0]]):
        engine, result, _ = in_parts(batch, parts, of_step)
        (gradient,) = engine.stepped_on
        # Weights and advantages are float32; all else is float64.
        torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-9)
        assert result.applied
    assert expected.abs().max() > 1e-3


@pytest.mark.parametrize(
    "algorithm",
    [
        {},
        {"aggregation": "sequence", "kl": {"coefficient": 0.1, "adaptive": {"target": 0.01, "horizon": 2}}},
        {"kl": {"coefficient": 0.1, "place": "reward"}, "group_weight": "prompt"},
    ],
)
def test_the_report_is_that_of_the_whole_batch(batch: TrainingBatch, algorithm: dict[str, Any]) -> None:
    of_step = context(**algorithm)
    reference = TableReference() if "kl" in algorithm else None
    engine, expected, progress = whole(batch, of_step, reference)
    streamed, result, moved = in_parts(batch, [[3, 1], [0], [4, 2]], of_step, reference)
    torch.testing.assert_close(streamed.stepped_on[0], engine.stepped_on[0], rtol=1e-5, atol=1e-9)
    assert result.metrics == pytest.approx(expected.metrics, rel=1e-5, abs=1e-9)
    assert moved.kl_coefficient == pytest.approx(progress.kl_coefficient) and moved.batches == 1
    assert [(p.kind, p.predicted) for p in result.passes] == [(p.kind, p.predicted) for p in expected.passes]
    for name in ("updated", "advantage", "gap_mean", "gap_max", "token_advantages", "token_logprobs"):
        got, wanted = getattr(result.samples, name), getattr(expected.samples, name)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_part_without_a_gradient_runs_nothing_and_still_counts(batch: TrainingBatch) -> None:
    engine, progress = TableEngine(), Progress(kl_coefficient=0.0)
    models = Models(engine=engine, critic=None, reference=None)
    step = StreamedStep(models, context(), progress)
    step.add(cut(batch, [0]))
    assert engine.backwards == 0
    silent = cut(batch, [0])
    result = step.complete(silent)
    assert engine.backwards == 1 and result.applied, "a padding micro-batch, as with a whole batch"
    assert float(engine.stepped_on[0].abs().sum()) == 0


def test_a_broken_part_leaves_no_trace(batch: TrainingBatch) -> None:
    rewards = batch.rewards.copy()
    rewards[8] = np.nan
    engine, result, _ = in_parts(replace(batch, rewards=rewards), [[1], [2], [0, 3, 4]], context())
    assert not result.applied and engine.stepped_on == [] and engine.module[0].grad is None


def test_abandoned_parts_leave_no_trace(batch: TrainingBatch) -> None:
    engine = TableEngine()
    models = Models(engine=engine, critic=None, reference=None)
    step = StreamedStep(models, context(), Progress(kl_coefficient=0.0))
    step.add(cut(batch, [1, 2]))
    assert engine.module[0].grad is not None
    step.abandon()
    assert engine.module[0].grad is None


@pytest.mark.parametrize("parts", [[[0, 1], [2, 3]], [[0, 1], [1, 2, 3, 4]]])
def test_parts_that_are_not_the_batch_are_refused_before_the_step(
    batch: TrainingBatch, parts: list[list[int]]
) -> None:
    with pytest.raises(RuntimeError, match="came in parts"):
        in_parts(batch, parts, context())


def test_other_tokens_under_a_known_id_are_refused(batch: TrainingBatch) -> None:
    step = StreamedStep(
        Models(engine=TableEngine(), critic=None, reference=None), context(), Progress(kl_coefficient=0.0)
    )
    step.add(replace(batch, token_ids=batch.token_ids[::-1].copy()))
    with pytest.raises(RuntimeError, match="other tokens"):
        step.complete(batch)


def test_estimators_say_whether_they_read_other_groups() -> None:
    batch_level = {name for name, kept in DECLARED.items() if "other groups are nothing" in kept}
    assert {name for name, part in ADVANTAGES.items() if not getattr(part, "by_group", False)} == batch_level


@pytest.mark.parametrize(
    ("learner", "algorithm", "reason"),
    [
        ({}, {}, None),
        ({}, {"advantage": {"name": "rloo"}, "kl": {"coefficient": 0.1}}, None),
        ({}, {"advantage": {"name": "reinforce_pp"}}, "advantage reinforce_pp"),
        ({}, {"advantage": {"name": "gae"}}, "advantage gae"),
        ({}, {"advantage": {"name": "tests.unit.learner.test_streamed:oracle"}}, "may read other groups"),
        ({}, {"advantage_scale": "batch_rms"}, "batch_rms"),
        ({"updates_per_batch": 2}, {}, "updates_per_batch is 2"),
        ({"optimizer": {"name": "muon"}}, {}, "muon"),
        ({"num_ranks": 2, "sync": {"name": "diloco"}}, {}, "whose replicas divide it"),
        ({"zero_stage": 2, "offload": {"optimizer": "cpu"}}, {}, "offload"),
    ],
)
def test_what_needs_the_whole_batch_says_so(
    learner: dict[str, Any], algorithm: dict[str, Any], reason: str | None
) -> None:
    said = needs_whole_batch(LearnerConfig(**learner), AlgorithmConfig(**algorithm))
    assert said is None if reason is None else reason in str(said)
