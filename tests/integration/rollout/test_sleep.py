"""Engines that leave their device and come back, through vLLM's own calls. A CPU engine moves no memory; what
it does with requests, weights and versions is what is tested here."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import ray

from rollout.engine import EngineConfig, EngineDead, WeightUpdate
from rollout.types import Completion
from rollout.worker import NO_GROUP
from tests.integration.rollout.helpers import MAX_MODEL_LEN, Handle, group, same

Publish = Callable[..., WeightUpdate]
REQUESTS = [group(i) for i in range(8)]
LONG = [group(100 + i, max_tokens=200, ignore_eos=True) for i in range(8)]


def run(host: Handle) -> list[list[Completion]]:
    return ray.get(host.generate(*REQUESTS), timeout=60)


@pytest.fixture(scope="module", params=["inprocess", "async"])
def engine(request: pytest.FixtureRequest, host: Handle, models: dict[str, Path]) -> str:
    """An engine of each kind on the old weights."""
    host.swap(
        EngineConfig(
            model=str(models["tied-old"]),
            backend=request.param,
            max_model_len=MAX_MODEL_LEN,
            kv_cache_mib=64,
            sleeps=True,
        )
    )
    return str(request.param)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("level", [1, 2])
def test_sequences_in_flight_sleep_too_and_go_on_with_the_weights_it_wakes_up_with(
    host: Handle, publish: Publish, judge: Callable[..., np.ndarray], level: int
) -> None:
    old, new = publish("tied-old"), publish("tied-new")
    host.update_weights(old)
    _, before = host.progress(NO_GROUP)
    references = host.generate(*LONG)
    while host.progress(NO_GROUP)[1] == before:
        time.sleep(0.01)
    asleep = host.sleep(level)
    wanted = sum(len(request.seeds) * 200 for request in LONG)
    assert 0 < asleep - before < wanted, "it slept in the middle of its work"
    assert host.sleep(level) == asleep, "again changes nothing"
    late = host.generate(group(7))
    time.sleep(0.3)
    assert not ray.wait([*references, *late], num_returns=1, timeout=0)[0], "nobody is answered in its sleep"
    served, sampled = host.wake(new if level == 2 else None)
    assert sampled == asleep, "it sampled in its sleep"
    assert served == (new if level == 2 else old).version
    names = {old.version: "tied-old", new.version: "tied-new"}
    found = ray.get(references, timeout=60)
    seen = [{s.policy_version for s in c.spans} for completions in found for c in completions]
    # One that had its turn after the sleep alone has tokens of one version.
    assert all(versions <= {old.version, served} for versions in seen) and {old.version, served} in seen
    for request, completions in zip(LONG, found, strict=True):
        for completion in completions:
            assert len(completion.token_ids) == 200
            for span in completion.spans:
                name = names[span.policy_version]
                expected = judge(name, request.prompt_token_ids, completion.token_ids)[span.start : span.end]
                assert np.abs(expected - completion.behavior_logprobs[span.start : span.end]).mean() < 1e-5
    assert len(ray.get(late, timeout=60)[0]) == 4


@pytest.mark.usefixtures("engine")
def test_it_wakes_up_as_the_engine_that_it_was(host: Handle, publish: Publish) -> None:
    host.update_weights(publish("tied-old"))
    before = run(host)
    host.sleep(1)
    host.wake(None)
    assert same(run(host), before)
    host.sleep(2)
    host.wake(publish("tied-old"))
    assert same(run(host), before)
    host.update_weights(publish("tied-new"))
    assert not same(run(host), before)


@pytest.mark.usefixtures("engine")
def test_without_the_weights_that_it_dropped_it_is_dead(host: Handle) -> None:
    """Last of the engine's tests."""
    host.sleep(2)
    with pytest.raises(EngineDead, match="slept at level 2"):
        host.wake(None)
    with pytest.raises(EngineDead):
        run(host)
