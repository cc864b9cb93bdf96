"""The reward model seen from the controller: one group at a time, with limits on everything, and a new actor
when one is lost."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from rl.config.reward_model import RewardModelConfig
from rl.records.status import ActorState
from rl.stream.background import in_background
from rl.stream.waiting import StreamTimeout, wait_for

logger = logging.getLogger(__name__)


class RewardModelDead(RuntimeError):
    """No restart is left; without the model the run would train something else, so it ends."""


class RewardModelClient:
    """Scores groups; a group that cannot be scored in time gets None, and the stream goes on.

    Args:
        config: The section.
        make_actor: Creates an actor around ``RewardModelHost`` that loads the model.
    """

    def __init__(self, config: RewardModelConfig, make_actor: Callable[[], Any]) -> None:
        self._config, self._make_actor = config, make_actor
        self._actor: Any = None
        self._ready = False
        self._turn = asyncio.Lock()
        self._returning: asyncio.Task[None] | None = None
        self._fatal: RewardModelDead | None = None
        self._restarts = 0
        self._counts: Counter[str] = Counter()

    def metrics(self) -> dict[str, float]:
        """Groups scored and not scored so far, and restarts."""
        names = ("groups", "late", "lost", "failed")
        return {f"reward_model/{name}": float(self._counts[name]) for name in names} | {
            "reward_model/restarts": float(self._restarts)
        }

    def actor(self) -> ActorState:
        """Its state."""
        if self._fatal is not None:
            state = "lost"
        elif self._ready:
            state = "busy" if self._turn.locked() else "live"
        else:
            state = "returning" if self._restarts else "starting"
        detail = f"{self._restarts} restarts" if self._restarts else ""
        return ActorState(name="reward_model", kind="reward_model", state=state, detail=detail)

    async def start(self) -> None:
        """Load the model; ready to score when it returns.

        Raises:
            ValueError: The model cannot be used.
            StreamTimeout: It did not load in time, or there is no place for it.
        """
        self._actor = self._make_actor()
        cpus, gpus = self._config.cpus, self._config.gpus
        try:
            what = f"the reward model to load (it needs {cpus:g} CPU and {gpus:g} GPU of the Ray cluster)"
            await wait_for(self._actor.ready.remote(), self._config.start_timeout_s, what)
        except RayActorError as error:
            raise ValueError(f"reward_model.path: {_last_line(error)}") from error
        self._ready = True

    async def score(self, prompt: str, texts: Sequence[str]) -> list[float] | None:
        """[G] scores in order, None if the model is away, busy or broken for longer than ``timeout_s``.

        Raises:
            RewardModelDead: No restart is left.
        """
        if self._fatal is not None:
            raise self._fatal
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await self._turn.acquire()
        except TimeoutError:
            self._counts["late"] += 1
            return None
        try:
            return await self._score_now([(prompt, text) for text in texts])
        finally:
            self._turn.release()

    async def _score_now(self, pairs: list[tuple[str, str]]) -> list[float] | None:
        if self._fatal is not None:
            raise self._fatal
        if self._actor is None and self._returning is not None:
            await asyncio.wait({self._returning}, timeout=self._config.timeout_s)
        if self._actor is None:
            self._counts["late"] += 1
            return None
        try:
            scores: list[float] = await wait_for(
                self._actor.score.remote(pairs),
                self._config.timeout_s,
                f"the reward model on {len(pairs)} texts",
            )
        except (RayActorError, StreamTimeout) as error:
            self._counts["lost"] += 1
            self._lose(error)
            return None
        except RayTaskError as error:
            self._counts["failed"] += 1
            logger.warning("the reward model could not score a group: %s", _last_line(error))
            return None
        self._counts["groups"] += 1
        return scores

    def _lose(self, error: BaseException) -> None:
        """Kill the actor and bring a new one up."""
        ray.kill(self._actor)
        self._actor, self._ready = None, False
        self._restarts += 1
        logger.error("reward model lost (%s); restart %d", _last_line(error), self._restarts)
        if self._restarts > self._config.max_restarts:
            self._fatal = RewardModelDead(
                f"the reward model was lost {self._restarts} times"
                f" (reward_model.max_restarts={self._config.max_restarts}), lastly: {_last_line(error)};"
                " raise reward_model.timeout_s if it is slow, else look at logs/ray of the run"
            )
            return
        self._returning = in_background("reward model", self._return(), what="restarting the reward model")

    async def _return(self) -> None:
        actor = self._make_actor()
        try:
            await wait_for(
                actor.ready.remote(), self._config.start_timeout_s, "the reward model to load again"
            )
        except (RayActorError, StreamTimeout) as error:
            self._actor = actor
            self._lose(error)
        else:
            self._actor, self._ready = actor, True
            logger.warning("the reward model is back")

    async def close(self) -> None:
        """Kill the actor; idempotent."""
        if self._returning is not None:
            self._returning.cancel()
            await asyncio.gather(self._returning, return_exceptions=True)
        if self._actor is not None:
            ray.kill(self._actor)
            self._actor = None


def _last_line(error: BaseException) -> str:
    """Ray's errors carry whole remote tracebacks; the last line is the cause."""
    lines = str(getattr(error, "cause", None) or error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
