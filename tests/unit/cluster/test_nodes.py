"""Engines are spread over the room that there is: counted by hand."""

import time

from rl.cluster.nodes import ClusterNode, free_of, spread

ONE = {"CPU": 1.0}


def test_engines_go_where_fewest_are_and_then_where_most_is_free() -> None:
    room = {"small": {"CPU": 1.0}, "large": {"CPU": 8.0}}
    assert spread(room, ONE, 3) == ["large", "small", "large"]
    assert room == {"small": {"CPU": 1.0}, "large": {"CPU": 8.0}}, "nothing is taken of what was given"


def test_there_is_no_half_of_a_spread() -> None:
    assert spread({"a": {"CPU": 1.0}, "b": {"CPU": 1.0}}, ONE, 3) is None
    assert spread({"a": {"CPU": 9.0}}, {"CPU": 1.0, "GPU": 1.0}, 1) is None


def test_reservations_are_taken_off_and_a_draining_node_has_nothing_left() -> None:
    stays = ClusterNode(id="a", address="10.0.0.1", resources={"CPU": 4.0, "GPU": 2.0})
    drain = {"draining": True, "deadline": time.time()}
    goes = ClusterNode(id="b", address="10.0.0.2", resources={"CPU": 4.0}, **drain)
    taken = {"a": [{"CPU": 1.0, "GPU": 1.0}, {"CPU": 2.0}], "b": [ONE], "gone": [ONE]}
    assert free_of([stays, goes], taken) == {"a": {"CPU": 1.0, "GPU": 1.0}}
