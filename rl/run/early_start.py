"""A start that does not wait for the checks of the input: Ray, and the processes of the actors.

Ray takes seconds to start, and vLLM and DeepSpeed take seconds to import. None of that depends on prompts or
rewards, so on a Ray of our own it happens while modules are imported, prompts read and rewards tried. The
engines come first: theirs is the longest way, and until the model is to be loaded they need no base.

Imports nothing heavy, so that Ray starts first.
"""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rl.cluster.placement import Placed, create_placement, plan_placement
from rl.cluster.ray_runtime import keep_logs_in, start_ray, stop_ray

if TYPE_CHECKING:
    from rl.config.schema import Config
    from rl.run.actors import Actors

logger = logging.getLogger(__name__)


Seated = tuple[Placed, dict[int, Any]]
"""The seats, and the actors of engines by index, with no base yet."""


class EarlyStart:
    """Ray, from the beginning of the block, and the first attempt's actors. Ray stops with the block,
    whatever happened in it."""

    def __init__(self, config: "Config") -> None:
        self._config = config
        cluster = config.cluster
        self._ours = cluster.address is None and not (cluster.gpus_per_engine or cluster.gpus_per_learner)
        """Nobody else waits for what the actors hold."""
        # One thread for all of it, which lives as long as the block: the kernel kills Ray's processes with
        # the thread that started them.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="ray-start")
        self._ray: Future[None] | None = None
        self._seated: Future[Seated] | None = None
        self._actors: Future[tuple[Placed, Actors]] | None = None

    def begin(self, model_path: Path) -> None:
        """Create the other actors in the background, where nobody else waits for what they hold."""
        if self._ours:
            self._actors = self._executor.submit(self._create, model_path)

    def finish(self, model_path: Path, logs: Path) -> "tuple[Placed, Actors]":
        """The actors in their seats, not yet started; Ray's worker logs are then in ``logs``.

        Raises:
            ConfigError, RuntimeError: as ``start_ray``.
            PlacementError: as ``create_placement``.
        """
        if self._ray is None:
            self._ray = self._executor.submit(start_ray, self._config)
        self._ray.result()
        keep_logs_in(logs)
        if self._actors is None:
            self._actors = self._executor.submit(self._create, model_path)
        return self._actors.result()

    def _seat(self) -> "Seated":
        """All seats, and the engines in theirs, which import vLLM from now on."""
        from rl.engines.actors import warm_engines

        assert self._ray is not None
        self._ray.result()
        began = time.perf_counter()
        placed = create_placement(plan_placement(self._config))
        ready = warm_engines(self._config, placed)
        logger.info("the engines' processes were asked for in %.1f s", time.perf_counter() - began)
        return placed, ready

    def _create(self, model_path: Path) -> "tuple[Placed, Actors]":
        from rl.run.actors import create_actors

        placed, ready = self._seat() if self._seated is None else self._seated.result()
        return placed, create_actors(self._config, model_path, placed, ready=ready)

    def stop(self) -> None:
        """Stop Ray, once it has started. Idempotent."""
        for future in (self._ray, self._seated, self._actors):
            if future is not None:
                future.exception()
        stop_ray()

    def __enter__(self) -> Self:
        """Start Ray and the engines' processes in the background, if Ray is ours."""
        if self._ours:
            self._ray = self._executor.submit(start_ray, self._config)
            self._seated = self._executor.submit(self._seat)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop Ray."""
        self.stop()
        self._executor.shutdown()
