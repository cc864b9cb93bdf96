"""The parts of a push in Ray's object store, which brings each to a node once, for all its processes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import ray
from ray.exceptions import ObjectLostError

NODE_CHARACTERS = 12


class PartsLost(RuntimeError):
    """The process that published them has died, and its objects with it."""


class RayParts:
    """``rollout.weight_node.PartStore`` of the node that this process runs on."""

    def node(self) -> str:
        """The beginning of Ray's id of it."""
        return f"node-{ray.get_runtime_context().get_node_id()[:NODE_CHARACTERS]}"

    def arriving(self, parts: tuple[Any, ...]) -> Iterator[tuple[int, np.ndarray]]:
        """As in the protocol; PartsLost once the learner is gone that put them.

        No limit of its own: the fleet ends an engine that takes too long.
        """
        index_of = {part: index for index, part in enumerate(parts)}
        waiting = list(parts)
        while waiting:
            # All that is waited for is on its way at once.
            (ready,), waiting = ray.wait(waiting, num_returns=1, fetch_local=True)
            try:
                part = ray.get(ready)
            except ObjectLostError as error:
                raise PartsLost(f"part {index_of[ready]} of a push is gone: {error}") from error
            yield index_of[ready], part
