"""What keeps the loops from standing still."""

import gc

from rl.run.loops import collector_spared


def test_collections_leave_out_what_was_there_before() -> None:
    class Node:
        me: "Node"

    before = gc.get_freeze_count()
    with collector_spared():
        assert gc.get_freeze_count() > before + 1000
        node = Node()
        node.me = node
        del node
        assert gc.collect() > 0, "what comes later is collected"
    assert gc.get_freeze_count() == 0
