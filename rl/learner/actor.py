"""The learner rank as a Ray actor: what needs to know that it runs under Ray."""

import socket

import ray

from rl.learner.rank import LearnerRank


class LearnerActor(LearnerRank):
    """``ray.remote(LearnerActor)``; calls run one at a time, in order."""

    def endpoint(self) -> tuple[str, int]:
        """This node's address and a port that was free a moment ago, where the other ranks will meet rank 0."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return ray.util.get_node_ip_address(), probe.getsockname()[1]
