"""Adapters pushed by a real learner rank into real engines: afterwards each must be a fresh engine on the
merged export."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from rollout.engine import EngineConfig, WeightUpdate, WeightUpdateRefused
from rollout.types import Completion
from rollout.weight_buffer import WeightBuffer, plan_layout
from tests.integration.learner.learner_host import Hosts
from tests.integration.rollout.helpers import MAX_MODEL_LEN, Handle, group, same

LORA = {"r": 3, "alpha": 8}
"""Rank 3, so that vLLM's buffer of 8 is padded, and rsLoRA's scaling is no power of two."""
REQUESTS = [group(i, size=2) for i in range(6)]
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Trained:
    """Two pushes and the merged exports of the same two adapters."""

    updates: tuple[WeightUpdate, WeightUpdate]
    exports: tuple[Path, Path]


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    started = Hosts()
    yield started
    started.stop()


@pytest.fixture
def train(hosts: Hosts, models: dict[str, Path], tmp_path: Path) -> Iterator[Callable[..., Trained]]:
    """``train("tied-old", kind=..., push=...)``: a learner rank whose adapter is random, pushed as versions 1
    and 2."""
    shared = Path("/dev/shm") / f"t2rl-test-{tmp_path.name}"

    def make(name: str, **lora: Any) -> Trained:
        hosts.build(models[name], lora=LORA | lora)
        updates, exports = [], []
        for version in (1, 2):
            hosts.run("randomise_adapter", version)
            updates.append(hosts.call("publish", version, str(shared)))
            exports.append(tmp_path / f"export-{version}")
            hosts.call("export", str(exports[-1]))
        return Trained((updates[0], updates[1]), (exports[0], exports[1]))

    yield make
    hosts.run("close")
    shutil.rmtree(shared, ignore_errors=True)


def run(host: Handle, *requests: Any) -> list[list[Completion]]:
    return ray.get(host.generate(*(requests or REQUESTS)), timeout=60)


def run_across(host: Handle, update: WeightUpdate, first: int) -> list[Any]:
    """Push while sequences are in flight; (requests, answers) of those, then of fresh ones."""
    flying = [group(first + i, size=2, max_tokens=200) for i in range(6)]
    references = host.generate(*flying)
    while host.stats()["running_seqs"] < 12:
        time.sleep(0.005)
    time.sleep(0.05)
    assert host.update_weights(update) == update.version
    after = run(host)
    return [(flying, ray.get(references, timeout=60)), (REQUESTS, after)]


def sequences_of(requests: list[Any], answers: list[list[Completion]]) -> list[list[int]]:
    return [
        [*r.prompt_token_ids, *c.token_ids.tolist()]
        for r, g in zip(requests, answers, strict=True)
        for c in g
    ]


def fresh_scores(host: Handle, model: Path, *batches: list[list[int]]) -> list[list[np.ndarray]]:
    """What an engine says of each batch of sequences that was started on these weights."""
    host.swap(EngineConfig(model=str(model), max_model_len=MAX_MODEL_LEN, kv_cache_mib=64))
    return [[np.array(row) for row in host.score(batch)] for batch in batches]


def check_spans(
    requests: list[Any], answers: list[list[Completion]], scores: dict[int, list[np.ndarray]]
) -> set[int]:
    """Every token's log-prob is that of the version its span names; returns the versions met."""
    met: set[int] = set()
    rows = [(r, c) for r, g in zip(requests, answers, strict=True) for c in g]
    for index, (request, completion) in enumerate(rows):
        assert [s.start for s in completion.spans] == [0, *(s.end for s in completion.spans[:-1])]
        assert completion.spans[-1].end == len(completion.token_ids)
        for span in completion.spans:
            met.add(span.policy_version)
            first = len(request.prompt_token_ids) - 1  # score j is of token j + 1
            expected = scores[span.policy_version][index][first + span.start : first + span.end]
            np.testing.assert_allclose(
                completion.behavior_logprobs[span.start : span.end], expected, rtol=0, atol=TOLERANCE
            )
    return met


CASES = [
    ("inprocess", "lora", "adapter", "tied-old"),
    ("async", "rslora", "adapter", "untied-old"),
    ("inprocess", "rslora", "merged", "tied-old"),
    ("inprocess", "dora", "merged", "untied-old"),
]
"""Every backend, kind, push and model, not every combination of them: each case starts four engines."""


@pytest.mark.parametrize(("backend", "kind", "push", "name"), CASES, ids=["-".join(case) for case in CASES])
def test_after_each_push_the_engine_is_a_fresh_one_on_the_merged_export(
    host: Handle,
    models: dict[str, Path],
    train: Callable[..., Trained],
    backend: str,
    kind: str,
    push: str,
    name: str,
) -> None:
    """With the prefix cache on, sequences in flight, and a second push that differs from the first."""
    trained = train(name, kind=kind, push=push)
    rank = LORA["r"] if push == "adapter" else 0
    model, length = str(models[name]), {"max_model_len": MAX_MODEL_LEN, "kv_cache_mib": 64}
    host.swap(EngineConfig(model=model, backend=backend, lora_rank=rank, **length))
    # fills the prefix cache; so do the later ones, each for the next push to get wrong
    runs = [(REQUESTS, run(host))]
    for update in trained.updates:
        runs += run_across(host, update, 100 * update.version)
    probe = sequences_of(*runs[0])
    probed = host.score(probe)

    batches = [sequences_of(*r) for r in runs]
    scores = [fresh_scores(host, path, *batches, probe) for path in (models[name], *trained.exports)]
    for index, met in enumerate(({0}, {0, 1}, {1}, {1, 2}, {2})):
        assert check_spans(*runs[index], {version: row[index] for version, row in enumerate(scores)}) == met
    for ours, theirs in zip(probed, scores[2][-1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)
    apart = [np.abs(a - b).max() for a, b in zip(scores[1][-1], scores[2][-1], strict=True)]
    assert min(apart) > 0.1, "the two adapters must differ, or a stale cache would pass"


def test_without_the_cache_reset_the_comparison_fails(
    host: Handle, config: Callable[..., EngineConfig], train: Callable[..., Trained]
) -> None:
    """Guards the guard: the adapter's name stays, so cached prefixes of the one before would be served."""
    from rollout.vllm_args import load_calls, update_payload

    trained = train("tied-old", push="adapter")
    host.swap(config("tied-old", lora_rank=LORA["r"]))
    host.update_weights(trained.updates[0])
    run(host)
    second = trained.updates[1]

    def load_only(llm: Any) -> None:
        assert llm.collective_rpc("verify_weight_update", kwargs={"update_info": update_payload(second)}) == [
            ""
        ]
        for method, arguments in load_calls(second):
            llm.collective_rpc(method, kwargs=arguments)

    host.on_engine_thread(load_only)
    stale = run(host)
    host.on_engine_thread(lambda llm: llm.reset_prefix_cache(True))
    clean = run(host)
    assert not same(stale, clean, tolerance=0.1)
    (fresh,) = fresh_scores(host, trained.exports[1], sequences_of(REQUESTS, clean))
    assert check_spans(REQUESTS, clean, {1: fresh}) == {1}  # labelled by the last whole push


@pytest.mark.parametrize("backend", ["inprocess", "async"])
def test_bad_adapters_are_refused_and_the_old_one_serves_on(
    host: Handle,
    config: Callable[..., EngineConfig],
    train: Callable[..., Trained],
    publish: Any,
    tmp_path: Path,
    backend: str,
) -> None:
    good = train("tied-old", push="adapter").updates[0]
    host.swap(config("tied-old", lora_rank=LORA["r"], backend=backend))
    host.update_weights(good)
    answers = run(host)

    def pushed(
        name: str, down: tuple[int, int], up: tuple[int, int], parts: tuple[str, ...] = ("lora_A", "lora_B")
    ) -> WeightUpdate:
        items = [
            (f"{name}.{part}.weight", "float32", shape) for part, shape in zip(parts, (down, up), strict=True)
        ]
        specs = plan_layout(items)
        buffer = WeightBuffer.create(tmp_path / f"bad-{time.monotonic_ns()}", specs)
        return WeightUpdate(
            version=9,
            transport="shm",
            path=str(buffer.path),
            tensors=specs,
            checksum=buffer.checksum(),
            adapter=True,
        )

    corrupt = pushed("model.layers.0.self_attn.q_proj", (3, 96), (96, 3))
    with Path(corrupt.path).open("r+b") as file:
        file.seek(70)
        file.write(b"\x01")
    bad = [
        (corrupt, "hashes to"),
        (pushed("model.layers.0.self_attn.q_proj", (9, 96), (96, 9)), "rank 9, the engine was started for 8"),
        (
            pushed("model.layers.0.self_attn.q_proj", (3, 96), (64, 3)),
            r"shapes \(3, 96\) and \(64, 3\), its weight is \(96, 96\)",
        ),
        (
            pushed("model.layers.7.self_attn.q_proj", (3, 96), (96, 3)),
            "cannot serve an adapter of model.layers.7",
        ),
        (pushed("lm_head", (3, 96), (128, 3)), "cannot serve an adapter of lm_head"),
        (
            pushed("model.layers.0.self_attn.q_proj", (3, 96), (96, 3), ("lora_A", "lora_C")),
            "no part of a LoRA adapter",
        ),
        (publish("tied-new"), "started for base \\+ adapter and was sent merged weights"),
    ]
    for update, reason in bad:
        with pytest.raises(WeightUpdateRefused, match=reason):
            host.update_weights(update)
        assert host.check_health() == good.version
    assert same(run(host), answers)


def test_an_engine_of_whole_weights_refuses_an_adapter(
    host: Handle, config: Callable[..., EngineConfig], train: Callable[..., Trained]
) -> None:
    update = train("tied-old", push="adapter").updates[0]
    host.swap(config("tied-old"))
    with pytest.raises(WeightUpdateRefused, match="started for merged weights and was sent an adapter"):
        host.update_weights(update)


def test_an_adapter_that_was_lost_is_never_replaced_by_the_base(
    host: Handle, config: Callable[..., EngineConfig]
) -> None:
    """vLLM would load a missing adapter from its path; ours leads nowhere, so the engine dies instead of
    serving the base."""
    from rollout.engine import EngineDead

    host.swap(config("tied-old", lora_rank=LORA["r"]))
    host.on_engine_thread(lambda llm: llm.model_executor.driver_worker.model_runner.reset_lora_state())
    with pytest.raises(EngineDead, match="adapters-are-pushed"):
        run(host)


def test_a_restarted_engine_serves_the_current_adapter(
    host: Handle, config: Callable[..., EngineConfig], train: Callable[..., Trained]
) -> None:
    """``host`` is here for Ray. The fleet's engine is killed after two pushes; the next one answers with the
    second adapter."""
    from rl.engines.actors import create_engine_actor
    from rl.engines.errors import EngineLost
    from rl.engines.fleet import EngineFleet
    from rl.engines.slot import FleetTimeouts

    trained = train("tied-old", push="adapter")
    served = config("tied-old", lora_rank=LORA["r"])
    fleet = EngineFleet(
        make_actor=lambda index: create_engine_actor(served, {"num_cpus": 1}),
        num_engines=1,
        max_restarts=2,
        timeouts=FleetTimeouts(),
    )

    async def drill() -> tuple[list[list[Completion]], list[list[Completion]]]:
        await fleet.start()
        try:
            for update in trained.updates:
                await fleet.push(update)
            before = [list(await fleet.generate(r, timeout_s=60)) for r in REQUESTS]
            ray.kill(fleet.slots[0].actor)
            with pytest.raises(EngineLost):
                await fleet.generate(REQUESTS[0], timeout_s=60)
            return before, [list(await fleet.generate(r, timeout_s=60)) for r in REQUESTS]
        finally:
            await fleet.stop()

    before, after = asyncio.run(drill())
    assert fleet.slots[0].restarts == 1
    assert same(before, after)
    assert {s.policy_version for g in after for c in g for s in c.spans} == {2}
    (fresh,) = fresh_scores(host, trained.exports[1], sequences_of(REQUESTS, after))
    assert check_spans(REQUESTS, after, {2: fresh}) == {2}


def test_the_ranks_that_vllm_offers_are_those_we_choose_from() -> None:
    from typing import get_args

    from vllm.config.lora import MaxLoRARanks

    from rollout.lora import LORA_RANKS

    assert get_args(MaxLoRARanks) == LORA_RANKS
