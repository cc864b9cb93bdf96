"""What a rollout worker answers, how it fails, and that nothing waits behind what it should not."""

import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from rollout.engine import EngineConfig, EngineDead, WeightUpdate
from rollout.types import Completion, GroupRequest, SamplingConfig
from tests.integration.rollout.helpers import MAX_MODEL_LEN, VOCAB, Handle, group, prompt_of, same

Judge = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def worker(host: Handle, models: dict[str, Path]) -> Handle:
    """One in-process engine for the whole file."""
    host.swap(
        EngineConfig(
            model=str(models["tied-old"]), max_model_len=MAX_MODEL_LEN, kv_cache_mib=64, max_num_seqs=128
        )
    )
    return host


def run(worker: Handle, *requests: GroupRequest) -> list[list[Completion]]:
    return ray.get(worker.generate(*requests), timeout=120)


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.5])
def test_behavior_logprobs_are_those_of_the_sampling_temperature(
    worker: Handle, judge: Judge, temperature: float
) -> None:
    requests = [group(i, temperature=temperature) for i in range(4)]
    differences, raw = [], []
    for request, completions in zip(requests, run(worker, *requests), strict=True):
        for c in completions:
            differences.append(
                judge("tied-old", request.prompt_token_ids, c.token_ids, temperature) - c.behavior_logprobs
            )
            raw.append(judge("tied-old", request.prompt_token_ids, c.token_ids) - c.behavior_logprobs)
    assert np.abs(np.concatenate(differences)).mean() < 1e-5
    assert (np.abs(np.concatenate(raw)).mean() > 0.05) == (temperature != 1.0)


def test_completions_are_small_flat_arrays(worker: Handle) -> None:
    ((completion, *_),) = run(worker, group(0, max_tokens=64))
    kinds = (completion.token_ids.dtype, completion.behavior_logprobs.dtype, completion.loss_mask.dtype)
    assert kinds == (np.int32, np.float32, np.bool_)
    assert completion.loss_mask.all()
    assert len(pickle.dumps(completion)) < 64 * 9 + 800


def test_temperature_zero_is_greedy(worker: Handle, judge: Judge) -> None:
    request = group(0, size=2, temperature=0.0)
    sampled, greedy = run(worker, group(0), request)  # mixed in one batch
    assert same([greedy[:1]], [greedy[1:]])
    ids = greedy[0].token_ids
    expected = judge("tied-old", request.prompt_token_ids, ids)
    assert np.abs(expected - greedy[0].behavior_logprobs).mean() < 1e-5
    assert np.array_equal(judge("tied-old", request.prompt_token_ids, ids, table=True).argmax(-1), ids)
    assert not same([greedy], [sampled[:2]])


def test_top_p_logprobs_are_renormalised_over_the_nucleus(worker: Handle, judge: Judge) -> None:
    request = GroupRequest(
        group_id=0,
        prompt_token_ids=prompt_of(0),
        seeds=(1, 2),
        sampling=SamplingConfig(top_p=0.5, max_tokens=24),
    )
    (completions,) = run(worker, request)
    for c in completions:
        gain = c.behavior_logprobs - judge("tied-old", request.prompt_token_ids, c.token_ids)
        assert gain.min() > -1e-4
        assert gain.max() < np.log(2) + 1e-3  # the nucleus holds at least half of the mass
        assert gain.mean() > 0.1


def test_scores_equal_the_hugging_face_model(worker: Handle, judge: Judge) -> None:
    sequences = [prompt_of(i, 30 + 60 * i) for i in range(3)]
    for sequence, scores in zip(sequences, worker.score(sequences), strict=True):
        expected = judge("tied-old", sequence[:1], np.array(sequence[1:]))
        assert np.abs(expected - np.array(scores)).mean() < 1e-5


def test_seeds_fix_the_tokens_alone_batched_and_across_pauses(
    worker: Handle, publish: Callable[..., WeightUpdate]
) -> None:
    """Long prompts, more tokens than one step may prefill, two updates that make every sequence prefill
    again: the seeded CPU sampler crashes if any of these prefills is split, and the draws must not depend on
    the company."""
    same_weights = [publish("tied-old") for _ in range(2)]
    requests = [group(i, length=150 + i % 50, max_tokens=50) for i in range(30)]
    references = worker.generate(*requests)
    for update in same_weights:
        time.sleep(0.15)
        worker.update_weights(update)
    batched = ray.get(references, timeout=120)
    assert max(len(c.spans) for g in batched for c in g) > 1
    alone = [run(worker, request)[0] for request in requests[:3]]
    assert same(batched[:3], alone, tolerance=1e-4)
    assert same(run(worker, *reversed(requests))[::-1], batched, tolerance=1e-4)


def test_an_update_does_not_wait_behind_a_thousand_groups(
    worker: Handle, publish: Callable[..., WeightUpdate]
) -> None:
    """1,200 calls pending, more than Ray's default admits to an actor; the update has a concurrency group of
    its own."""
    update = publish("tied-old")
    references = worker.generate(*(group(i, size=1, max_tokens=60) for i in range(1200)))
    began = time.perf_counter()
    worker.update_weights(update)
    assert time.perf_counter() - began < 5
    _, pending = ray.wait(references, num_returns=len(references), timeout=0)
    assert len(pending) > 200
    ray.get(references, timeout=120)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt_token_ids": tuple(range(3, 103)) * 3}, "max_model_len=256"),
        ({"prompt_token_ids": ()}, "is empty"),
        ({"prompt_token_ids": (5, VOCAB)}, "outside 0..127"),
        ({"seeds": (-1,)}, "seeds must be"),
        ({"sampling": SamplingConfig(temperature=0.001)}, "use 0 for greedy"),
    ],
)
def test_a_bad_request_costs_only_itself(worker: Handle, change: dict[str, Any], message: str) -> None:
    fields = {
        "group_id": 7,
        "prompt_token_ids": (5, 6),
        "seeds": (1,),
        "sampling": SamplingConfig(max_tokens=4),
    }
    good = worker.generate(group(0))
    with pytest.raises(ValueError, match=message):
        run(worker, GroupRequest(**fields | change))
    assert len(ray.get(good[0], timeout=20)) == 4


def test_stats_count_the_work_and_idling_costs_nothing(worker: Handle) -> None:
    before = worker.stats()
    run(worker, group(0, max_tokens=30))
    after = worker.stats()
    assert after["generated_tokens"] - before["generated_tokens"] == 4 * 30
    assert after["busy_s"] > before["busy_s"]
    assert after["cpu_s"] > before["cpu_s"]
    assert (after["running_seqs"], after["waiting_seqs"], after["kv_usage"]) == (0, 0, 0)
    idle = worker.stats()
    time.sleep(1.5)
    assert worker.stats()["cpu_s"] - idle["cpu_s"] < 0.3


def test_a_hung_step_shows_and_a_stop_fails_what_waits(
    host: Handle, config: Callable[..., EngineConfig]
) -> None:
    """Last of the file: the engine it shares is gone afterwards."""
    host.swap(config("tied-old", hang_timeout_s=0.3))
    hang = host.begin("on_engine_thread", lambda llm: time.sleep(1.5))
    (waiting,) = host.generate(group(0, max_tokens=200))
    time.sleep(0.7)
    with pytest.raises(EngineDead, match="hang_timeout_s"):
        host.check_health()
    ray.get(hang, timeout=20)
    assert host.check_health() == 0
    host.stop()
    for reference in (waiting, *host.generate(group(1))):
        with pytest.raises(EngineDead, match="stopped"):
            ray.get(reference, timeout=20)
