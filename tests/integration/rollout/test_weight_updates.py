"""Weights pushed into a running engine, in both backends: afterwards it must be a fresh engine on those
weights."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray
import torch

from rl.config.learner import LearnerConfig
from rl.learner.model import load_model
from rl.learner.publishing import WeightPublisher
from rl.learner.scoring import sequence_logprobs
from rl.weights.probe import GapJudge, WeightMismatch
from rl.weights.sync import WeightSync
from rollout.engine import EngineConfig, EngineDead, WeightUpdate, WeightUpdateRefused
from rollout.streaming import StreamRequest
from rollout.types import Completion, FinishReason
from tests.integration.rollout.helpers import EOS, MAX_MODEL_LEN, Handle, group, same
from tests.unit.learner.models.model_bases import save_base

REQUESTS = [group(i) for i in range(8)]
Answers = list[list[Completion]]
Publish = Callable[..., WeightUpdate]


def run(host: Handle) -> Answers:
    return ray.get(host.generate(*REQUESTS), timeout=60)


def versions_of(answers: Answers) -> set[int]:
    return {s.policy_version for g in answers for c in g for s in c.spans}


@pytest.fixture(scope="module")
def fresh(host: Handle, models: dict[str, Path]) -> dict[str, Answers]:
    """What engines answer that were started on the new weights."""
    answers = {}
    for tie in ("tied", "untied"):
        host.swap(EngineConfig(model=str(models[f"{tie}-new"]), max_model_len=MAX_MODEL_LEN, kv_cache_mib=64))
        answers[tie] = run(host)
    return answers


@pytest.fixture(
    scope="module", params=[(b, t) for b in ("inprocess", "async") for t in ("tied", "untied")], ids="-".join
)
def engine(
    request: pytest.FixtureRequest, host: Handle, models: dict[str, Path], fresh: dict[str, Answers]
) -> str:
    """An engine of each kind started on the old weights; 'tied' or 'untied'."""
    backend, tie = request.param
    host.swap(
        EngineConfig(
            model=str(models[f"{tie}-old"]), backend=backend, max_model_len=MAX_MODEL_LEN, kv_cache_mib=64
        )
    )
    return tie


def test_synced_engine_equals_a_fresh_one(
    engine: str, host: Handle, publish: Publish, fresh: dict[str, Answers]
) -> None:
    before = run(host)  # also fills the prefix cache with the old weights' values
    assert not same(before, fresh[engine])
    update = publish(f"{engine}-new")
    assert host.update_weights(update) == update.version
    after = run(host)
    assert same(after, fresh[engine])
    assert (versions_of(before), versions_of(after)) == ({0}, {update.version})
    # Later pushes make the copies of the first one again.
    for name, expected in ((f"{engine}-old", before), (f"{engine}-new", fresh[engine])):
        host.update_weights(publish(name))
        assert same(run(host), expected)


def test_an_engine_that_left_its_trainer_takes_pushes_as_before(
    engine: str, host: Handle, publish: Publish, fresh: dict[str, Answers]
) -> None:
    """By vLLM's own call, which a transfer group that is formed anew begins with."""
    host.update_weights(publish(f"{engine}-old"))
    host.leave_weight_transfer()
    assert not same(run(host), fresh[engine]), "it serves on"
    host.init_weight_transfer({})
    host.update_weights(publish(f"{engine}-new"))
    assert same(run(host), fresh[engine])


def test_end_tokens_end_a_completion(engine: str, host: Handle) -> None:
    completions = [c for g in run(host) for c in g]
    stopped = [c for c in completions if c.finish_reason is FinishReason.STOP]
    assert bool(stopped) == (engine == "untied")  # only these models know an end token
    assert all(c.token_ids[-1] == EOS and EOS not in c.token_ids[:-1] for c in stopped)
    assert all(len(c.token_ids) == 24 for c in completions if c.finish_reason is FinishReason.LENGTH)


@pytest.mark.usefixtures("engine")
def test_streams_bring_the_same_tokens_with_the_likeliest_beside_them(host: Handle) -> None:
    """In an engine of each kind; a stream that is closed early leaves it."""
    asked = REQUESTS[0]
    (expected,) = ray.get(host.generate(asked), timeout=60)
    deltas = host.stream_all(StreamRequest(group=asked, top_logprobs=2, prompt_logprobs=1))
    for index, completion in enumerate(expected):
        own = [delta for delta in deltas if delta.index == index]
        tokens = np.concatenate([delta.tokens.ids for delta in own])
        logprobs = np.concatenate([delta.tokens.logprobs for delta in own])
        assert tokens.shape[1] == 3 and np.array_equal(tokens[:, 0], completion.token_ids)
        assert np.allclose(logprobs[:, 0], completion.behavior_logprobs, atol=1e-4)
        assert (logprobs[:, 1] >= logprobs[:, 2]).all() and (logprobs[:, 1] >= logprobs[:, 0] - 1e-6).all()
        assert [delta.finish_reason for delta in own][-1] is completion.finish_reason
        (prompt,) = [delta.prompt for delta in own if delta.prompt is not None]
        assert prompt.ids[:, 0].tolist() == list(asked.prompt_token_ids[1:])
        (scores,) = host.score([list(asked.prompt_token_ids)])
        assert np.allclose(prompt.logprobs[:, 0], scores, atol=1e-4)
    assert host.stream_first(StreamRequest(group=group(77, max_tokens=200, ignore_eos=True))) >= 1
    assert host.progress(77)[0] == 0, "nobody reads it any more"
    with pytest.raises(ValueError, match="top_logprobs is 21"):
        host.stream_all(StreamRequest(group=asked, top_logprobs=21))


def test_bad_pushes_are_refused_and_the_old_weights_serve_on(
    engine: str, host: Handle, publish: Publish
) -> None:
    good = publish(f"{engine}-new")
    host.update_weights(good)
    answers = run(host)
    corrupt, partial, short = (
        publish(f"{engine}-old", leave_out=name) for name in ("", "model.norm.weight", "")
    )
    with Path(corrupt.path).open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([byte ^ 64]))
    with Path(short.path).open("r+b") as file:
        file.truncate(1000)
    for update, reason in ((corrupt, "hashes to"), (partial, "lacks 1 of"), (short, "holds 1000 bytes")):
        with pytest.raises(WeightUpdateRefused, match=reason):
            host.update_weights(update)
        assert host.check_health() == good.version
    assert same(run(host), answers)
    assert versions_of(run(host)) == {good.version}


def test_spans_of_sequences_in_flight_are_exact(
    engine: str, host: Handle, publish: Publish, judge: Callable[..., np.ndarray]
) -> None:
    """Across two updates: the log-probs of each span are those of the weights that it names, to the token,
    and each request keeps the limit that it came with (a length curriculum gives groups different ones)."""
    updates = {u.version: (u, name) for name in ("old", "new", "old") for u in [publish(f"{engine}-{name}")]}
    first, *later = [u for u, _ in updates.values()]
    host.update_weights(first)
    requests = [group(100 + i, max_tokens=200 - 15 * (i % 3)) for i in range(8)]
    references = host.generate(*requests)
    for update in later:
        time.sleep(0.08)
        host.update_weights(update)
    seen = 0
    for request, completions in zip(requests, ray.get(references, timeout=60), strict=True):
        for completion in completions:
            seen = max(seen, len(completion.spans))
            limit = request.sampling.max_tokens
            assert completion.finish_reason is FinishReason.STOP or len(completion.token_ids) == limit
            assert len(completion.token_ids) <= limit
            assert [s.start for s in completion.spans] == [0, *(s.end for s in completion.spans[:-1])]
            for span in completion.spans:
                name = f"{engine}-{updates[span.policy_version][1]}"
                expected = judge(name, request.prompt_token_ids, completion.token_ids)[span.start : span.end]
                difference = np.abs(expected - completion.behavior_logprobs[span.start : span.end])
                assert difference.mean() < 1e-5
                assert difference.max() < 1e-3
    assert seen == 3, "the updates missed the sequences"


def test_abort_cancels_the_named_groups_only(engine: str, host: Handle) -> None:
    doomed, spared = host.generate(group(1, max_tokens=200), group(2, max_tokens=20))
    while not ray.wait([doomed], timeout=0.01)[0]:
        # calls of two concurrency groups may overtake each other, and an abort ahead of its group is for
        # nobody
        host.abort([1])
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(doomed, timeout=20)
    assert len(ray.get(spared, timeout=60)) == 4
    assert host.stats()["running_seqs"] == host.stats()["waiting_seqs"] == 0


def test_death_fails_every_call_at_once(engine: str, host: Handle) -> None:
    """Last of the engine's tests. AsyncLLM: its core is killed. In process: the engine thread hits an
    error."""
    # None may end by itself before the engine does: a random model samples the end token now and then.
    references = host.generate(*(group(i, max_tokens=200, ignore_eos=True) for i in range(40)))
    time.sleep(0.1)
    began = time.perf_counter()
    if cores := host.children():
        os.kill(cores[0], signal.SIGKILL)
    else:
        with pytest.raises(EngineDead, match="ZeroDivisionError"):
            host.on_engine_thread(lambda llm: 1 / 0)
    for reference in references:
        with pytest.raises(EngineDead):
            ray.get(reference, timeout=20)
    for call in (host.check_health, host.stats, lambda: ray.get(host.generate(group(0)), timeout=20)):
        with pytest.raises(EngineDead):
            call()
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("name", "changes"),
    [("gpt_neox", {"hidden_size": 64}), ("qwen3_moe", {"hidden_size": 64, "head_dim": 32})],
)
def test_a_push_reaches_models_that_transformers_renames_and_fuses(
    host: Handle, tmp_path: Path, name: str, changes: dict[str, int]
) -> None:
    """And whose experts vLLM packs (24 wide ones, padded to 32): twice, since the second push meets what the
    first one packed."""
    base = save_base(name, tmp_path, **changes)
    learner = load_model(str(base), LearnerConfig()).causal_lm.eval()
    publisher = WeightPublisher(learner, gather=False, is_writer=True)
    host.swap(EngineConfig(model=str(base), max_model_len=64, kv_cache_mib=64))
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 90, (3, 20), generator=draw)

    def gap() -> float:
        with torch.no_grad():
            logprobs = torch.log_softmax(learner(ids).logits[:, :-1], -1).gather(-1, ids[:, 1:, None])[..., 0]
        return float(np.abs(np.array(host.score(ids.tolist())) - logprobs.numpy()).max())

    assert gap() < 1e-4
    for version in (1, 2):
        with torch.no_grad():
            for parameter in learner.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=draw))
        assert gap() > 0.1
        assert host.update_weights(publisher.publish(version, tmp_path / "weights")) == version
        assert gap() < 1e-4
    publisher.close()


def permute(weight: torch.Tensor) -> torch.Tensor:
    return weight[torch.randperm(len(weight), generator=torch.Generator().manual_seed(0))]


@pytest.mark.parametrize(
    ("name", "break_it"),
    [
        ("model.layers.1.mlp.down_proj.weight", permute),
        ("model.layers.0.self_attn.v_proj.weight", lambda weight: 2 * weight),
    ],
)
def test_healthy_bf16_versions_pass_the_probe_and_one_wrong_tensor_does_not(
    host: Handle, models: dict[str, Path], tmp_path: Path, name: str, break_it: Callable[..., torch.Tensor]
) -> None:
    model = load_model(str(models["untied-old"]), LearnerConfig(dtype="bfloat16")).eval()
    publisher = WeightPublisher(model.causal_lm, gather=False, is_writer=True)
    tensor, broken = dict(model.causal_lm.named_parameters())[name], False
    engine = SimpleNamespace(module=model, eval=model.eval, device=torch.device("cpu"))
    host.swap(
        EngineConfig(
            model=str(models["untied-old"]), max_model_len=MAX_MODEL_LEN, kv_cache_mib=64, dtype="bfloat16"
        )
    )

    class Learner:
        async def publish(self, version: int, directory: str) -> WeightUpdate | None:
            right = tensor.detach().clone()
            if broken:
                tensor.data.copy_(break_it(right))
            update = publisher.publish(version, Path(directory))
            tensor.data.copy_(right)
            return update

        async def score(self, sequences: list[list[int]]) -> list[list[float]]:
            return sequence_logprobs(engine, sequences, token_budget=4096, packed=False)

    class Fleet:
        async def generate(self, request: Any, *, timeout_s: float) -> list[Completion]:
            return ray.get(host.generate(request)[0], timeout=timeout_s)

        async def push(self, update: WeightUpdate) -> None:
            host.update_weights(update)

        async def score(self, sequences: list[list[int]]) -> list[list[list[float]]]:
            return [host.score(sequences)]

    sync = WeightSync(
        learner=Learner(),
        fleet=Fleet(),
        directory=tmp_path,
        judge=GapJudge(floor=1e-3, factor=4.0, exact=False),
        probe_every=1,
        calibration=[group(i, size=1) for i in range(4)],
    )

    async def run_versions() -> None:
        nonlocal broken
        await sync.calibrate(timeout_s=60)
        draw = torch.Generator().manual_seed(0)
        for version in range(1, 5):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(0.01 * torch.randn(parameter.shape, generator=draw))
            report = await sync.push(await sync.publish(version))
            assert report.probe_gap is not None and 0 < report.probe_gap < 0.2
        broken = True
        with pytest.raises(WeightMismatch, match=r"version [56]"):
            for version in (5, 6):
                await sync.push(await sync.publish(version))

    try:
        asyncio.run(run_versions())
    finally:
        publisher.close()


def test_without_the_cache_reset_the_comparison_fails(
    host: Handle, config: Callable[..., EngineConfig], publish: Publish, fresh: dict[str, Answers]
) -> None:
    """Guards the guard: loaded but not reset, cached prefixes hold the old weights' values and the answers
    differ."""
    from rollout.vllm_args import update_payload

    host.swap(config("tied-old"))
    run(host)
    payload = {"update_info": update_payload(publish("tied-new"))}

    def load_only(llm: Any) -> None:
        llm.collective_rpc("verify_weight_update", kwargs=payload)
        llm.collective_rpc("start_weight_update")
        llm.collective_rpc("update_weights", kwargs=payload)
        llm.collective_rpc("finish_weight_update")

    host.on_engine_thread(load_only)
    assert not same(run(host), fresh["tied"])
    host.on_engine_thread(lambda llm: llm.reset_prefix_cache(True))
    assert same(run(host), fresh["tied"])


def test_a_load_that_fails_half_way_kills_the_engine(
    host: Handle, config: Callable[..., EngineConfig], publish: Publish
) -> None:
    """The checks passed, then the load did not: nobody may be served by what is in memory now."""
    host.swap(config("tied-old"))

    def break_load(llm: Any) -> None:
        def load_weights(weights: Any) -> None:
            raise ValueError(f"out of luck after {next(iter(weights))[0]}")

        llm.model_executor.driver_worker.model_runner.model.load_weights = load_weights

    host.on_engine_thread(break_load)
    with pytest.raises(EngineDead, match="out of luck after"):
        host.update_weights(publish("tied-new"))
    with pytest.raises(EngineDead, match="out of luck after"):
        host.check_health()


def test_kept_kv_still_gives_new_sequences_clean_prefixes(
    host: Handle, config: Callable[..., EngineConfig], publish: Publish, fresh: dict[str, Answers]
) -> None:
    host.swap(config("tied-old", kv_after_update="keep"))
    run(host)
    update = publish("tied-new")
    in_flight = host.generate(*(group(50 + i, max_tokens=200) for i in range(4)))
    time.sleep(0.1)
    host.update_weights(update)
    assert same(run(host), fresh["tied"])
    assert {len(c.spans) for g in ray.get(in_flight, timeout=60) for c in g} == {2}


def test_packed_weights_are_refused_at_start(host: Handle, config: Callable[..., EngineConfig]) -> None:
    """With oneDNN packing on, an update could not be loaded (or would miss the tied head), so the engine must
    not start."""

    def set_packing(on: bool) -> None:
        from vllm import _custom_ops

        _custom_ops._supports_onednn = on

    host.in_process(lambda: set_packing(True))
    with pytest.raises(EngineDead, match="packed weights"):
        host.swap(config("tied-old"))
    host.in_process(lambda: set_packing(False))
    assert host.swap(config("tied-old"))["policy_version"] == 0
