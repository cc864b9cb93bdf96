"""A private Ray whose workers find the misbehaving rewards of the unit tests."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from rl.cluster.ray_runtime import start_ray, stop_ray

REWARDS = Path(__file__).parents[3] / "unit" / "rewards"


@pytest.fixture(scope="module")
def ray_runtime() -> Iterator[None]:
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(REWARDS), str(Path(__file__).parents[4]), before])
    )
    sys.path.insert(0, str(REWARDS))
    cluster = SimpleNamespace(
        address=None, num_cpus=4, gpus_per_engine=0, gpus_per_learner=0, object_store_mib=80
    )
    start_ray(SimpleNamespace(cluster=cluster, reward_model=None))
    yield
    stop_ray()
    sys.path.remove(str(REWARDS))
    os.environ["PYTHONPATH"] = before
