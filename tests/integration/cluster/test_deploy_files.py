"""What Ray itself says of the files for clusters that were not there."""

from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

FILE = Path(__file__).parents[3] / "deploy/ray-up/cluster.yaml"


def test_ray_up_takes_the_cluster_file() -> None:
    """``ray up`` begins with these two steps."""
    prepared = prepare_config(yaml.safe_load(FILE.read_text()))
    validate_config(prepared)
    assert prepared["provider"]["worker_ips"] == ["WORKER_IP"]


def test_a_field_that_ray_does_not_know_is_found() -> None:
    prepared = prepare_config(yaml.safe_load(FILE.read_text()))
    with pytest.raises(Exception, match="head_start_commands"):
        validate_config(prepared | {"head_start_commands": []})
