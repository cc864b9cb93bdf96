"""Every preset trains on recorded rollouts in one learner process, and what it does to the policy is what it
is for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from rl.batch.types import TrainingBatch
from rollout.types import RolloutAux
from tests.integration.learner.learner_host import Hosts
from tests.integration.learner.recorded import GROUP, record, sequence_logprob

FOLDER = Path(__file__).parents[3] / "configs" / "algorithm"
PRESETS = sorted(p.stem for p in FOLDER.glob("*.yaml"))
STEPS = 4


def preset(name: str) -> dict:
    content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return content.get("algorithm", content)


@pytest.fixture(scope="module")
def batch(tiny_llama: Path) -> TrainingBatch:
    recorded = record(tiny_llama)
    by_group = recorded.rewards.reshape(-1, GROUP).mean(1)
    assert ((by_group > 0) & (by_group < 1)).sum() >= 4, "the fixture needs groups with both outcomes"
    return recorded


def fitted(name: str, batch: TrainingBatch) -> TrainingBatch:
    """What the stream would have added for this preset."""
    if name == "brpo":  # thinkings whose later budgets score as the whole answer, earlier ones 0
        scores = batch.rewards[:, None] * np.array([0.0, 1.0, 1.0, 1.0])
        return replace(batch, aux=RolloutAux(budget_scores=scores))
    if name == "hpt":  # the second group was switched to a demonstration: one of its samples, shown
        keep = (batch.segment_ids != 1) | (np.arange(len(batch.rewards)) == GROUP)
        tokens = np.repeat(keep, np.diff(batch.offsets))
        return replace(
            batch,
            **{
                f: getattr(batch, f)[tokens]
                for f in ("token_ids", "loss_mask", "behavior_logprobs", "token_versions")
            },
            **{
                f: getattr(batch, f)[keep]
                for f in ("prompt_lens", "rewards", "correct", "truncated", "segment_ids")
            },
            offsets=np.concatenate([[0], np.cumsum(np.diff(batch.offsets)[keep])]),
            demonstration=np.isin(np.flatnonzero(keep), [GROUP]),
        )
    return batch


@pytest.mark.parametrize("name", PRESETS)
def test_it_trains_on_recorded_rollouts(
    hosts: Hosts, tiny_llama: Path, batch: TrainingBatch, name: str
) -> None:
    """After a few steps on the same rollouts right answers are likelier and wrong ones less likely, relative
    to each other."""
    given = fitted(name, batch)
    algorithm = preset(name)
    if name == "brpo":
        algorithm["advantage"]["budgets"]["tokens"] = [2, 4, 6, 8]
    if name == "ppo":
        algorithm["advantage"]["critic"]["warmup_steps"] = 0
    hosts.build(tiny_llama, algorithm=algorithm, lr=3e-4)
    before = sequence_logprob(hosts.run("weights"), tiny_llama, given)
    results = [hosts.call("train", given) for _ in range(STEPS)]
    assert all(r.applied for r in results)
    for result in results:
        assert all(np.isfinite(v) for k, v in result.metrics.items() if k != "critic/explained_variance"), (
            result.metrics
        )
    change = sequence_logprob(hosts.run("weights"), tiny_llama, given) - before
    sampled = ~given.demonstration
    right, wrong = change[sampled & given.correct].mean(), change[sampled & ~given.correct].mean()
    assert right > wrong + 1e-4, (right, wrong)
    if given.demonstration.any():
        assert change[given.demonstration].min() > 0.01
        assert results[0].metrics["learner/demonstration_tokens"] == 8
    assert 0.5 < results[0].metrics["loss/ratio_mean"] < 2
    assert results[0].metrics["learner/logprob_gap"] < 1e-4


@pytest.mark.parametrize("name", ["grpo", "gspo", "cispo", "kimi"])
def test_a_broken_reward_stops_the_step(
    hosts: Hosts, tiny_llama: Path, batch: TrainingBatch, name: str
) -> None:
    """Also where every token of its sample is clipped and the gradient stays finite: the second update of
    GSPO's narrow band."""
    hosts.build(tiny_llama, algorithm=preset(name), lr=1e-3)
    hosts.call("train", batch)
    before = hosts.run("weights")
    rewards = batch.rewards.copy()
    rewards[0] = np.nan
    assert not hosts.call("train", replace(batch, rewards=rewards)).applied
    assert all((value == before[key]).all() for key, value in hosts.run("weights").items())
