"""The card that gloo is told to use: the one that leads to rank 0, whatever the host is called."""

import socket

import psutil
import pytest

from rl.learner.deepspeed_setup import card_towards


def test_the_card_is_the_one_whose_address_is_seen_from_there() -> None:
    loopback = card_towards("127.0.0.1")
    assert "127.0.0.1" in {one.address for one in psutil.net_if_addrs()[loopback]}
    for card, addresses in psutil.net_if_addrs().items():
        for own in addresses:
            if own.family is socket.AF_INET and card != loopback:
                assert card_towards(own.address) == card, "rank 0 asks for its own address"


def test_no_such_card_is_an_error_and_not_the_hosts_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.net_if_addrs", dict)
    with pytest.raises(RuntimeError, match=r"no network card of this node has the address 127\.0\.0\.1"):
        card_towards("127.0.0.1")
