"""One step against the real DeepSpeed: what must not change with micro-batches, ranks or ZeRO stage, and what
must stop it."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rl.batch.types import StepResult, TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.learner.micro_batch import plan_micro_batches
from rl.objective.estimator import policy_gradient_loss
from rl.objective.inputs import TokenInputs
from rl.objective.samples import Samples, Tokens
from rl.objective.terms import update_terms
from tests.integration.learner.batches import VOCAB, make_batch, part_of
from tests.integration.learner.learner_host import LOSS, Hosts

BATCHES = [make_batch(seed) for seed in range(3)]


def plain_logprobs(model: torch.nn.Module, batch: TrainingBatch, sample: int) -> torch.Tensor:
    """[loss tokens] of one sequence alone, through the whole Hugging Face forward."""
    rows = slice(batch.offsets[sample], batch.offsets[sample + 1])
    tokens = torch.from_numpy(batch.token_ids[rows].astype(np.int64))
    logits = model(input_ids=tokens[None]).logits[0, :-1].float() / batch.temperature
    logprobs = torch.log_softmax(logits, -1).gather(1, tokens[1:, None])[:, 0]
    return logprobs[torch.from_numpy(batch.loss_mask[rows][1:])]


def plain_gradients(
    path: Path, batch: TrainingBatch, config: AlgorithmConfig
) -> tuple[float, dict[str, np.ndarray]]:
    """Loss and gradients by plain torch, one sequence at a time: no DeepSpeed, no padding, no micro-batch."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    count = len(batch.rewards)
    valid = np.array([batch.loss_mask[batch.offsets[s] : batch.offsets[s + 1]].sum() for s in range(count)])
    samples = Samples(
        rewards=torch.from_numpy(batch.rewards),
        correct=torch.from_numpy(batch.correct),
        segment_ids=torch.from_numpy(batch.segment_ids),
        lengths=torch.from_numpy(valid),
        truncated=torch.from_numpy(batch.truncated),
        demonstration=torch.from_numpy(batch.demonstration),
        max_tokens=32,
    )
    terms = update_terms(
        samples, Tokens(sample=torch.repeat_interleave(torch.arange(count), samples.lengths)), config
    )
    ends = np.cumsum(valid)
    total = 0.0
    for sample in range(count):
        policy = plain_logprobs(model, batch, sample)
        rows = slice(batch.offsets[sample], batch.offsets[sample + 1])
        behavior = torch.from_numpy(batch.behavior_logprobs[rows][batch.loss_mask[rows]])
        inputs = TokenInputs(
            policy_logprobs=policy,
            behavior_logprobs=behavior,
            advantages=terms.advantages[ends[sample] - valid[sample] : ends[sample]],
            weights=terms.weights[ends[sample] - valid[sample] : ends[sample]],
            sequence=torch.zeros(len(policy), dtype=torch.long),
        )
        loss = policy_gradient_loss(inputs, config).loss
        loss.backward()
        total += float(loss.detach())
    return total, {f"causal_lm.{n}": p.grad.numpy() for n, p in model.named_parameters()}


@pytest.mark.parametrize("aggregation", ["token", "sequence", "dr_grpo"])
def test_loss_and_gradients_equal_plain_torch_however_the_batch_is_split(
    hosts: Hosts, tiny_llama: Path, aggregation: str
) -> None:
    algorithm = {"aggregation": aggregation, "group_weight": "prompt"}
    loss, gradients = plain_gradients(tiny_llama, BATCHES[0], AlgorithmConfig(**algorithm))
    for world, budget, packing in (
        (1, 100_000, "buckets"),
        (1, 70, "buckets"),
        (2, 70, "buckets"),
        (2, 70, "shared"),
    ):
        hosts.build(tiny_llama, world=world, micro_batch_tokens=budget, packing=packing, algorithm=algorithm)
        result, captured = hosts.run("train_and_capture", BATCHES[0])
        assert result.metrics["loss/total"] == pytest.approx(loss, abs=2e-6), (world, budget)
        assert captured.keys() == gradients.keys()
        for name, gradient in gradients.items():
            np.testing.assert_allclose(
                captured[name], gradient, atol=2e-6, err_msg=f"{name} {world} ranks, {packing} of {budget}"
            )
    assert loss != 0


@pytest.fixture(scope="module")
def reference(hosts: Hosts, tiny_llama: Path) -> tuple[list[dict[str, float]], dict[str, np.ndarray]]:
    """Metrics of three steps and the weights after them: one rank, ZeRO-0, float32, one micro-batch."""
    hosts.build(tiny_llama, micro_batch_tokens=100_000)
    return [hosts.call("train", batch).metrics for batch in BATCHES], hosts.run("weights")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
@pytest.mark.parametrize("world", [1, 2])
def test_every_stage_follows_one_rank_and_refuses_a_nan(
    hosts: Hosts, tiny_llama: Path, reference: tuple, world: int, stage: int, dtype: str
) -> None:
    """The NaN batch comes between the first and second of the three steps, whole and in parts, and must leave
    no trace; neither must parts that are given up. The second step is taken in parts, of which one has
    nothing to train."""
    hosts.build(tiny_llama, world=world, zero_stage=stage, dtype=dtype, micro_batch_tokens=70)
    curve = [hosts.call("train", BATCHES[0])]
    before = hosts.run("weights")
    poisoned = replace(
        BATCHES[1], rewards=np.where(np.arange(len(BATCHES[1].rewards)) == 5, np.nan, BATCHES[1].rewards)
    )
    hosts.call("accumulate", part_of(BATCHES[2], [0, 1]))
    hosts.call("abandon")
    refusals = [hosts.call("train", poisoned), in_parts(hosts, poisoned, [[3], [1, 0]], rest=[2, 4])]
    after = hosts.run("weights")
    curve += [in_parts(hosts, BATCHES[1], [[4], [2, 0], [1]], rest=[3]), hosts.call("train", BATCHES[2])]

    for refused in refusals:
        assert not refused.applied and not np.isfinite(refused.metrics["learner/grad_norm"])
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert all(result.applied for result in curve)
    metrics, weights = reference
    loss_tolerance, norm_tolerance, weight_tolerance = (
        (3e-5, 1e-4, 3e-4) if dtype == "float32" else (5e-3, 5e-2, 2e-2)
    )
    for result, expected in zip(curve, metrics, strict=True):
        assert result.metrics["loss/total"] == pytest.approx(expected["loss/total"], abs=loss_tolerance)
        assert result.metrics["learner/grad_norm"] == pytest.approx(
            expected["learner/grad_norm"], rel=norm_tolerance
        )
        assert result.metrics["learner/trained_tokens"] == expected["learner/trained_tokens"]
    for name, value in hosts.run("weights").items():
        np.testing.assert_allclose(value, weights[name], atol=weight_tolerance, err_msg=name)


def in_parts(hosts: Hosts, batch: TrainingBatch, parts: list[list[int]], *, rest: list[int]) -> StepResult:
    """One step on a batch whose groups come in parts."""
    for groups in parts:
        hosts.call("accumulate", part_of(batch, groups))
    return hosts.call("complete", batch, part_of(batch, rest))


@pytest.mark.parametrize("stage", [2, 3])
def test_ranks_with_unequal_work_do_not_hang(hosts: Hosts, tiny_llama: Path, stage: int) -> None:
    batch = make_batch(7, sizes=(3,), longest=20)
    budget = int(np.diff(batch.offsets).min())
    active = np.flatnonzero(np.array([1, 1, 1]))
    plans = plan_micro_batches(np.diff(batch.offsets), active, world_size=2, token_budget=budget)
    assert any(plan.padding for rank in plans for plan in rank), "the case must need a padding micro-batch"
    hosts.build(tiny_llama)
    expected = [hosts.call("train", batch).metrics["loss/total"] for _ in range(2)]
    hosts.build(tiny_llama, world=2, zero_stage=stage, micro_batch_tokens=budget)
    assert [hosts.call("train", batch).metrics["loss/total"] for _ in range(2)] == pytest.approx(
        expected, abs=1e-5
    )


@pytest.mark.parametrize("head_adapter", [False, True])
def test_ranks_that_chunk_their_logits_differently_alone_do_not_hang(
    hosts: Hosts, untied_llama: Path, head_adapter: bool
) -> None:
    """Under ZeRO-3 each chunk of a wrapped head gathers its parts, so ranks with more loss tokens would
    gather more often."""
    batch, budget = make_batch(7, sizes=(5, 4), longest=40), 60
    plans = plan_micro_batches(np.diff(batch.offsets), np.arange(9), world_size=2, token_budget=budget)
    tokens = [
        [int(np.add.reduceat(batch.loss_mask, batch.offsets[:-1])[p.samples].sum()) for p in rank]
        for rank in plans
    ]
    assert any(-(-a // 3) != -(-b // 3) for a, b in zip(*tokens, strict=True)), (
        "the case must need different numbers of chunks"
    )
    lora = {"r": 2, "alpha": 4, "target_modules": ("q_proj", "lm_head")} if head_adapter else None
    curves = []
    for world, stage, chunk in ((1, 0, 1 << 27), (2, 3, 3 * VOCAB)):
        hosts.build(
            untied_llama,
            world=world,
            zero_stage=stage,
            lora=lora,
            micro_batch_tokens=budget,
            logits_per_chunk=chunk,
        )
        results = [hosts.call("train", batch) for _ in range(3)]
        curves.append(([r.metrics["loss/total"] for r in results], hosts.run("weights")))
    (expected, weights), (losses, got) = curves
    assert losses == pytest.approx(expected, abs=1e-5) and expected[0] != expected[2]
    for name, value in got.items():
        np.testing.assert_allclose(value, weights[name], atol=3e-4, err_msg=name)


def test_a_batch_without_gradient_still_steps_on_every_rank(hosts: Hosts, tiny_llama: Path) -> None:
    hosts.build(tiny_llama, world=2, zero_stage=3)
    flat = replace(BATCHES[0], rewards=np.ones_like(BATCHES[0].rewards))
    before = hosts.run("weights")
    result = hosts.call("train", flat)
    assert result.applied and result.metrics["learner/trained_tokens"] == 0
    assert result.metrics["learner/zero_advantage_frac"] == 1 and result.metrics["learner/grad_norm"] == 0
    after = hosts.run("weights")
    # no momentum yet, so a zero gradient moves nothing
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert hosts.call("train", BATCHES[0]).metrics["learner/grad_norm"] > 0


def test_log_probs_in_buckets_equal_single_sequences_at_the_sampling_temperature(
    hosts: Hosts, tiny_llama: Path
) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    batch = make_batch(4, sizes=(6, 6, 6), temperature=0.7)
    with torch.no_grad():
        logprobs = torch.cat([plain_logprobs(model, batch, s) for s in range(len(batch.rewards))]).numpy()
    behavior = np.zeros_like(batch.behavior_logprobs)
    behavior[batch.loss_mask] = logprobs
    hosts.build(tiny_llama, micro_batch_tokens=150)
    metrics = hosts.call("train", replace(batch, behavior_logprobs=behavior)).metrics
    assert metrics["learner/logprob_gap"] < 1e-6 and metrics["loss/ratio_mean"] == pytest.approx(1, abs=1e-5)

    hosts.build(tiny_llama, micro_batch_tokens=150)
    sequences = [
        batch.token_ids[a:b].tolist() for a, b in zip(batch.offsets[:-1], batch.offsets[1:], strict=True)
    ]
    bucketed = hosts.call("score", sequences)
    assert [len(s) for s in bucketed] == [len(s) - 1 for s in sequences]
    for sequence, scores in zip(sequences, bucketed, strict=True):
        tokens = torch.tensor(sequence)
        with torch.no_grad():
            alone = torch.log_softmax(model(input_ids=tokens[None]).logits[0, :-1], -1).gather(
                1, tokens[1:, None]
            )[:, 0]
        np.testing.assert_allclose(scores, alone.numpy(), atol=1e-5)


def test_tokens_with_a_broken_behavior_log_prob_are_dropped_from_loss_and_denominator(
    hosts: Hosts, tiny_llama: Path
) -> None:
    batch = make_batch(8, sizes=(4, 3, 1))
    # the last one is in the group of one, which trains nothing
    broken = np.flatnonzero(batch.loss_mask)[[0, 5, -1]]
    behavior, mask = batch.behavior_logprobs.copy(), batch.loss_mask.copy()
    behavior[broken] = [np.nan, -np.inf, np.nan]
    mask[broken] = False
    hosts.build(tiny_llama)
    got = hosts.call("train", replace(batch, behavior_logprobs=behavior)).metrics
    hosts.build(tiny_llama)
    without = hosts.call("train", replace(batch, loss_mask=mask)).metrics
    assert got["loss/dropped_tokens"] == 3 and without["loss/dropped_tokens"] == 0
    for key in ("loss/total", "learner/grad_norm", "learner/trained_tokens"):
        assert got[key] == without[key]


def test_two_updates_per_batch_are_two_batches_of_half_the_groups(hosts: Hosts, tiny_llama: Path) -> None:
    whole = make_batch(5, sizes=(4, 3, 5, 2))
    hosts.build(tiny_llama, updates_per_batch=2)
    result = hosts.call("train", whole)
    together = hosts.run("weights")
    hosts.build(tiny_llama)
    for groups in ((0, 2), (1, 3)):
        hosts.call("train", part_of(whole, groups))
    assert result.detail["updates"] == 2
    for name, value in hosts.run("weights").items():
        np.testing.assert_allclose(together[name], value, atol=1e-6, err_msg=name)


def test_the_proximal_policy_is_the_one_before_the_batch(hosts: Hosts, tiny_llama: Path) -> None:
    """With a proximal reference the first update's ratios are 1; the second's are not, since the first has
    moved the weights."""
    algorithm = {"reference": "proximal", "importance": "token"}
    batch = make_batch(6, sizes=(4, 4))
    hosts.build(tiny_llama, algorithm=algorithm, lr=1e-2)
    one = hosts.call("train", batch).metrics
    hosts.build(tiny_llama, algorithm=algorithm, lr=1e-2, updates_per_batch=2)
    two = hosts.call("train", batch).metrics
    assert one["loss/ratio_mean"] == pytest.approx(1, abs=1e-6) and one["loss/ratio_clipped_frac"] == 0
    assert abs(two["loss/ratio_mean"] - 1) > 1e-3
    assert 0 < one["loss/importance_capped_frac"] < 1


FORWARD = ("rl.learner.logprob_model", "rl.learner.sequence_parallel", "rl.learner.packed_attention")
"""What the model's forward pass goes through besides ``rl.learner.head``."""


def test_a_reader_on_the_way_to_the_loss_seldom_returns_to_a_module(hosts: Hosts, tiny_llama: Path) -> None:
    """The walk of docs/architecture.md: each function where it is first called, neighbours in one module as
    one stay, the model's forward pass as one."""
    hosts.build(tiny_llama)
    hosts.call("train", BATCHES[1])  # imports what it needs, which is no part of the walk
    found = hosts.run("walk", BATCHES[0])
    assert found[0] == ("rl.learner.rank", "train") and found[-1][1] == LOSS
    rooms = ["rl.learner.head" if module in FORWARD else module for module, _ in found]
    stays = [module for module, _ in itertools.groupby(rooms)]
    assert len(stays) <= 14 and len(stays) - len(set(stays)) <= 2, " ".join(stays)
