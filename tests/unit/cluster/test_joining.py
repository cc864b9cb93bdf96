"""A Ray that is not there is said at once."""

import socket

import pytest

from rl.cluster.ray_runtime import start_ray
from rl.config.errors import ConfigError
from rl.config.load import load_config


def test_an_address_at_which_nobody_answers_is_the_users_mistake() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(ConfigError, match=rf"cluster\.address: no Ray to join at '{address}': .*refused"):
            start_ray(load_config("debug", [f"cluster.address={address}"]))
