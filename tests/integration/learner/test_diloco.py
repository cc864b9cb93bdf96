"""Replicas on a real Ray with real DeepSpeed and gloo: against plain data parallel, through a checkpoint, and
with one of them killed."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import DilocoSync, LearnerConfig
from rl.learner.consolidate import consolidated
from rl.learner.diloco.group import ReplicaGroup
from rl.learner.group import LearnerDead, LearnerGroup
from tests.integration.learner.batches import make_batch

pytestmark = pytest.mark.usefixtures("local_ray")
MEAN = {"outer_lr": 1.0, "outer_momentum": 0.0}


def sgd(model: nn.Module, config: LearnerConfig) -> torch.optim.Optimizer:
    """For ``learner.optimizer``: the one for which the mean of the steps is the step of the mean."""
    return torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=config.lr)


def make_group(model_path: Path, sync: dict[str, Any] | None, **config: Any) -> LearnerGroup:
    diloco = sync is not None
    learner = LearnerConfig(
        sync=DilocoSync(**sync) if sync is not None else "gradients",
        **{"num_ranks": 2, "lr": 1e-3, "collective_timeout_s": 60.0} | config,
    )
    return (ReplicaGroup if diloco else LearnerGroup)(
        config=learner,
        algorithm=AlgorithmConfig(),
        model_path=str(model_path),
        seed=0,
        total_steps=6,
        max_tokens=32,
        timeout_s=90.0,
    )


def even_batch(seed: int) -> TrainingBatch:
    """Two groups of as many loss tokens, two a completion: each replica's denominator is half of the
    batch's."""
    return make_batch(seed, sizes=(4, 4), longest=3)


async def trained(
    group: LearnerGroup, batches: list[TrainingBatch], directory: Path
) -> dict[str, torch.Tensor]:
    for batch in batches:
        assert (await group.train(batch)).applied
    await group.export(str(directory))
    return load_file(directory / "model.safetensors")


def test_the_mean_after_every_sgd_step_is_plain_data_parallel(tiny_llama: Path, tmp_path: Path) -> None:
    batches = [even_batch(seed) for seed in range(3)]
    settings: dict[str, Any] = {
        "optimizer": {"name": f"{__name__}:sgd"},
        "lr": 0.5,
        "grad_clip": 0.0,
    }

    async def scenario() -> None:
        plain = make_group(tiny_llama, None, **settings)
        await plain.start()
        expected = await trained(plain, batches, tmp_path / "plain")
        await plain.close()
        group = make_group(tiny_llama, {"every": 1, **MEAN}, **settings)
        await group.start()
        got = await trained(group, batches, tmp_path / "diloco")
        await group.close()
        base = load_file(tiny_llama / "model.safetensors")
        moved = max(float((expected[n] - t).abs().max()) for n, t in base.items())
        furthest = max(float((got[n] - t).abs().max()) for n, t in expected.items())
        assert moved > 1e-3 and furthest < 1e-3 * moved, (moved, furthest)

    asyncio.run(scenario())


def test_a_checkpoint_is_taken_up_number_for_number(tiny_llama: Path, tmp_path: Path) -> None:
    batches = [make_batch(seed) for seed in range(6)]
    sync = {"every": 2, "fragments": 2, "overlap": 1, "mixing": 0.5, "bits": 8}

    async def scenario() -> None:
        group = make_group(tiny_llama, sync)
        await group.start()
        first = [await group.train(batch) for batch in batches[:3]]
        assert {r.metrics["learner/replicas"] for r in first} == {2.0}
        assert all(
            r.metrics["learner/tokens"] == len(b.token_ids) for r, b in zip(first, batches, strict=False)
        )
        await group.save(str(tmp_path / "save"))
        expected = await trained(group, batches[3:], tmp_path / "expected")
        await group.wait_saved()
        await group.export(str(tmp_path / "now"))
        await group.start()
        await group.load(str(tmp_path / "save"))
        await group.export(str(tmp_path / "then"))
        saved = load_file(tmp_path / "then" / "model.safetensors")
        got = await trained(group, batches[3:], tmp_path / "got")
        assert all(torch.equal(got[name], tensor) for name, tensor in expected.items())
        await group.close()

        # A third replica begins at the outer weights.
        wider = make_group(tiny_llama, sync, num_ranks=3)
        await wider.start()
        await wider.load(str(tmp_path / "save"))
        await wider.export(str(tmp_path / "wider"))
        assert (await wider.train(batches[3])).metrics["learner/replicas"] == 3
        await wider.close()
        three = load_file(tmp_path / "wider" / "model.safetensors")
        assert all(torch.equal(three[name], tensor) for name, tensor in saved.items())

        # t2rl export reads the outer weights from the files alone.
        config = group._config
        whole = consolidated(tmp_path / "save", config, base=tiny_llama, weights=tiny_llama)
        named = dict(whole.named_parameters())
        assert all(torch.equal(named[name], saved[name]) for name in named)
        plain = make_group(tiny_llama, None)
        await plain.start()
        with pytest.raises(ValueError, match="sync"):
            await plain.load(str(tmp_path / "save"))
        await plain.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_replica_comes_back_while_the_other_goes_on(
    tiny_llama: Path, tmp_path: Path, victim: int
) -> None:
    sync: dict[str, Any] = {"every": 1, **MEAN}

    async def scenario() -> None:
        group = make_group(tiny_llama, sync, max_restarts=1)
        assert isinstance(group, ReplicaGroup)
        facts = await group.start()
        await group.train(make_batch(0))
        os.kill(facts[victim]["pid"], signal.SIGKILL)
        lost = await group.train(make_batch(1))
        assert lost.metrics["learner/lost_samples"] > 0
        assert [a.state for a in group.actors()].count("starting") == 1
        update = await group.publish(2, str(tmp_path / "weights"))
        assert f"replica-{1 - victim}" in str(update.path)
        alone = await group.train(make_batch(2))
        assert alone.metrics["learner/replicas"] == 1 and alone.metrics["learner/lost_samples"] == 0
        await asyncio.wait_for(asyncio.shield(group._returning[victim]), 90)
        together = await group.train(make_batch(3))
        assert together.metrics["learner/replicas"] == 2 and together.applied
        assert together.metrics["learner/lr"] == pytest.approx(lost.metrics["learner/lr"])
        # Both hold the same outer weights now, and at rate 1 after every batch their own are those.
        scores = await group._call("score", [[5, 6, 7, 8]])
        assert scores[0] == scores[1]
        again = group._known[victim]["pid"]
        assert again != facts[victim]["pid"]
        os.kill(again, signal.SIGKILL)
        with pytest.raises(LearnerDead, match=f"rank {victim} died"):
            await group.train(make_batch(4))
        await group.close()

    asyncio.run(scenario())
